import { existsSync } from 'node:fs';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { createEtcdAdmin } from '../../drivers/etcd/admin.ts';
import { type EtcdAccess, findEtcdAccess } from '../../drivers/etcd/access.ts';
import { readEtcdTls } from '../../drivers/etcd/tls.ts';
import type { Cluster } from '../../core/cluster/schema.ts';
import type { EtcdAdmin } from '../../ports/etcd-admin.ts';
import type { EtcdObserver } from '../../ports/etcd-observer.ts';
import { DEFAULT_CONFIG, readClusterFile } from '../read-cluster.ts';
import { wholeNumber } from '../whole-number.ts';

/** What every command that asks etcd takes; the names of the flags are etcdctl's. */
export interface EtcdOptions {
  config: string;
  endpoints?: string[];
  cacert?: string;
  cert?: string;
  key?: string;
  timeout: number;
}

/** etcdctl's --command-timeout. */
const TIMEOUT_MS = 5000;

/** Adds the options to `command`. */
export function withEtcdOptions(command: Command): Command {
  return command
    .option(
      '--config <file>',
      "cluster description that says where etcd is; where there is none, kubeadm's, k3s' or RKE2's files on this host do",
      DEFAULT_CONFIG,
    )
    .addOption(new Option('--endpoints <urls>', 'client URLs of members, separated by commas').argParser(urls))
    .option('--cacert <file>', "authority that signed etcd's certificates")
    .option('--cert <file>', 'client certificate')
    .option('--key <file>', 'key of the client certificate')
    .addOption(
      new Option('--timeout <ms>', 'how long a member may take for an answer, in milliseconds').argParser(wholeNumber).default(TIMEOUT_MS),
    );
}

function urls(text: string): string[] {
  const list = text.split(',').map((url) => url.trim());
  const wrong = list.find((url) => !URL.canParse(url) || new URL(url).protocol !== 'https:');
  if (wrong === undefined) return list;
  throw new InvalidArgumentError(
    `${JSON.stringify(wrong)} is no https URL such as https://10.0.0.11:2379; hale talks to etcd over TLS only.`,
  );
}

/** The cluster description, where one is named or lies at its usual place. */
function etcdCluster(options: EtcdOptions, command: Command): Cluster | undefined {
  const isNamed = command.getOptionValueSource('config') !== 'default';
  return isNamed || existsSync(options.config) ? readClusterFile(options.config) : undefined;
}

export function etcdAccess(options: EtcdOptions, command: Command): EtcdAccess {
  return etcdPlace(options, command).access;
}

/** Where etcd is, with the cluster description where there is one. */
export function etcdPlace(options: EtcdOptions, command: Command): { access: EtcdAccess; cluster: Cluster | undefined } {
  const cluster = etcdCluster(options, command);
  return { access: findEtcdAccess({ flags: options, ...(cluster === undefined ? {} : { cluster }) }), cluster };
}

/** Runs `work` with a client, and closes that. */
export async function withEtcd<T>(
  { access, timeoutMs }: { access: EtcdAccess; timeoutMs: number },
  work: (etcd: EtcdAdmin & EtcdObserver) => Promise<T>,
): Promise<T> {
  const etcd = createEtcdAdmin({ endpoints: access.endpoints, tls: readEtcdTls(access), timeoutMs });
  try {
    return await work(etcd);
  } finally {
    etcd.close();
  }
}
