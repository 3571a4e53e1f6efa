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

export function etcdCommand({ files, endpoints }: EtcdCluster): EtcdCommand {
  const access = ['--endpoints', endpoints.join(','), '--cacert', files.caFile, '--cert', files.certFile, '--key', files.keyFile];
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
