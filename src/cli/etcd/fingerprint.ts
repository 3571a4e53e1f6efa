import { Command, Option } from 'commander';
import { EXIT_FINDING } from '../../base/error.ts';
import { boottime } from '../../drivers/linux/boottime.ts';
import { type Fingerprint, fingerprintOf } from '../../engine/etcd/fingerprint.ts';
import { table } from '../table.ts';
import { wholeNumber } from '../whole-number.ts';
import { type EtcdOptions, etcdAccess, withEtcd, withEtcdOptions } from './options.ts';

interface FingerprintOptions extends EtcdOptions {
  revision?: number;
  json?: true;
}

/** `hale etcd fingerprint`: what tells whether members, or a cluster before and after, hold the same data. */
export function etcdFingerprintCommand(): Command {
  return withEtcdOptions(new Command('fingerprint'))
    .description('tell revision, number of keys and hash of the data of every member; needs a quorum')
    .addOption(new Option('--revision <n>', 'at this revision, and not at the newest').argParser(wholeNumber))
    .option('--json', 'print one JSON document')
    .action(async (options: FingerprintOptions, command: Command) => {
      const access = etcdAccess(options, command);
      const print = await withEtcd({ access, timeoutMs: options.timeout }, (etcd) =>
        fingerprintOf({
          etcd,
          urls: access.endpoints,
          clock: boottime,
          ...(options.revision === undefined ? {} : { revision: options.revision }),
        }),
      );
      if (!print.equal) process.exitCode = EXIT_FINDING;
      process.stdout.write(options.json ? `${JSON.stringify(print, null, 2)}\n` : render(print));
    });
}

function render({ revision, keys, equal, members }: Fingerprint): string {
  const rows = members.map(({ name, id, hash, compactRevision, problem }) => [
    name || '-',
    id,
    hash?.toString(16) ?? '-',
    `${compactRevision ?? '-'}`,
    problem ?? '',
  ]);
  const head = `revision ${revision}, ${keys} keys: ${equal ? 'equal on all members' : 'NOT equal on all members'}\n`;
  return head + table(['MEMBER', 'ID', 'HASH', 'COMPACTED', 'PROBLEM'], rows);
}
