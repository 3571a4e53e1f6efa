/** Where programs of labs and tests are kept that are downloaded or built once. */
import { homedir } from 'node:os';
import { join } from 'node:path';

/** As Go and the projects that publish programs call this machine's. */
export function goArchitecture(): string {
  return process.arch === 'x64' ? 'amd64' : process.arch;
}

/** Folder of one release (`v3.6.14`), outside the repository: the programs are large, and the same for every checkout. */
export function programCache(project: 'etcd' | 'kubernetes' | 'sushy-tools' | 'versitygw', version: string): string {
  const cache = process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache');
  return join(cache, 'hale', project, `${version}-linux-${goArchitecture()}`);
}
