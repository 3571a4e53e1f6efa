/**
 * A program that replaces a pair (TARGET) and a kubeconfig (KUBECONFIG) by those of the folder NEW, and whose AT-th change of a file, counted from one, does not
 * happen: the process is killed just before (CUT=kill), or the change is refused (CUT=refuse). It ends with 1 after an error for people, 0 without.
 */
import fs, { readFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { HaleError } from '../../src/base/error.ts';

const CHANGES = ['writeFileSync', 'linkSync', 'renameSync', 'rmSync', 'chmodSync', 'chownSync', 'fsyncSync'] as const;
const [cut, at, target, kubeconfig, made] = process.argv.slice(2) as [string, string, string, string, string];
let count = 0;

for (const name of CHANGES) {
  const real = fs[name] as (...args: unknown[]) => unknown;
  const change = (...args: unknown[]): unknown => {
    count++;
    if (count !== Number(at)) return real(...args);
    if (cut === 'kill') process.kill(process.pid, 'SIGKILL');
    throw Object.assign(new Error(`EROFS: read-only file system, ${name}`), { code: 'EROFS' });
  };
  Object.assign(fs, { [name]: change });
}
syncBuiltinESMExports();

const { replaceKubeconfig, replacePair } = await import('../../src/drivers/pki/replace.ts');
const [certPem, keyPem, text] = ['new.crt', 'new.key', 'new.conf'].map((file) => readFileSync(join(made, file), 'utf8')) as [
  string,
  string,
  string,
];
try {
  replacePair(target, { certPem, keyPem });
  replaceKubeconfig(kubeconfig, text);
} catch (error) {
  if (!(error instanceof HaleError)) throw error;
  process.stderr.write(error.code);
  process.exitCode = 1;
}
