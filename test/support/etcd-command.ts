import type { EtcdCluster } from './etcd-cluster.ts';
import { hale, type HaleRun } from './hale.ts';

/** `hale etcd …` against a cluster, as a user calls it. */
export interface EtcdCommand {
  /** All words of the command line after `hale`. */
  words(...command: string[]): string[];
  run(...command: string[]): Promise<HaleRun>;
  /** The document of `--json`, whatever the exit code, which stands beside it. Fails where there is none. */
  json<T>(...command: string[]): Promise<T & { code: number | null }>;
}

/** The flags, etcdctl's as well as hale's, by which the cluster is reached. */
export function accessFlags({ files: { caFile, certFile, keyFile }, endpoints }: Pick<EtcdCluster, 'files' | 'endpoints'>): string[] {
  return ['--endpoints', endpoints.join(','), '--cacert', caFile, '--cert', certFile, '--key', keyFile];
}

export function etcdCommand(cluster: EtcdCluster): EtcdCommand {
  const access = accessFlags(cluster);
  const words = (...command: string[]) => ['etcd', ...command, ...access];
  const run = (...command: string[]) => hale(words(...command));
  return {
    words,
    run,
    async json<T>(...command: string[]) {
      const { code, stdout, stderr } = await run(...command, '--json');
      if (stdout === '') throw new Error(`hale etcd ${command.join(' ')} ended with ${code}: ${stderr}`);
      return { ...(JSON.parse(stdout) as T), code };
    },
  };
}
