import { Command } from 'commander';
import { readDataFolder } from '../../drivers/etcd/data-folder.ts';

/** `hale etcd data`: how far a member got, told by its folder alone. */
export function etcdDataCommand(): Command {
  return new Command('data')
    .description('tell from the data folder of a member, also of one that is stopped, who it is and how far it got')
    .argument('[folder]', 'its data folder, which is only read', '/var/lib/etcd')
    .option('--json', 'print one JSON document')
    .action((folder: string, options: { json?: true }) => {
      const found = readDataFolder(folder);
      const { memberId, clusterId, term, commitIndex, commitTerm, lastIndex } = found;
      const words = `member ${memberId} of cluster ${clusterId}, term ${term}\ncommitted up to index ${commitIndex} of term ${commitTerm}, log up to ${lastIndex}\n`;
      process.stdout.write(options.json ? `${JSON.stringify(found, null, 2)}\n` : words);
    });
}
