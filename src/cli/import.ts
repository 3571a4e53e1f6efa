import { Command, Option } from 'commander';
import { EXIT_FINDING } from '../base/error.ts';
import { PROVIDERS } from '../core/cluster/providers.ts';
import { gather } from '../core/doctor/gather.ts';
import { type Imported, importCluster } from '../core/import/import.ts';
import { importJson, importRemarks } from '../core/import/report.ts';
import { readFiles } from '../drivers/doctor/files.ts';
import { writeNewFile } from './write-new-file.ts';

interface ImportOptions {
  out?: string;
  name?: string;
  provider?: string;
  force?: true;
  json?: true;
}

/** `hale import`: a cluster.yaml from the configuration that people already have. */
export function importCommand(): Command {
  return new Command('import')
    .description(
      'make a cluster.yaml from configuration of HAProxy, keepalived, kube-vip, kubeadm, k3s, RKE2, etcd and what belongs to them',
    )
    .argument('<files...>', 'files and folders; in a tree DIR/HOST/etc/… the folder says whose a file is; - is standard input')
    .option('--out <file>', 'write the description there; without it, to standard output')
    .option('--name <name>', 'name of the cluster')
    .addOption(
      new Option('--provider <provider>', 'who is to answer for the address from now on; without it, who does now').choices(PROVIDERS),
    )
    .option('--force', 'overwrite the file that is there')
    .option('--json', 'print one document: the description, where each value was found, what is missing, what contradicts itself')
    .action((files: string[], options: ImportOptions) => {
      const found = readFiles(files);
      const facts = gather(found.files, found.troubles);
      const imported = importCluster(facts, { file: options.out ?? 'cluster.yaml', name: options.name, provider: options.provider });
      if (options.out !== undefined) writeNewFile(options.out, { text: imported.text, force: options.force });
      if (options.json) process.stdout.write(importJson(imported));
      else if (options.out === undefined) process.stdout.write(imported.text);
      process.stderr.write(importRemarks(imported, facts.troubles));
      if (!isGood(imported)) process.exitCode = EXIT_FINDING;
    });
}

function isGood({ description, problems }: Imported): boolean {
  return description.missing.length === 0 && problems.length === 0;
}
