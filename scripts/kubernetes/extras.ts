import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../../src/lab/command.ts';
import { runGo } from '../programs/go.ts';

/** A program that is built only when it is asked for. */
interface Extra {
  /** Of its main package. */
  path: string;
  version: string;
  /** The variable that its own makefile sets to the version. */
  stamp: string;
  /** What has it print that. */
  versionArgv: readonly string[];
}

/** kube-vip is what `npm run bench -- kubernetes` compares hale with; kwok makes nodes without machines. Neither replaces modules, so `go install` takes them as they are. */
export const EXTRAS = {
  'kube-vip': { path: 'github.com/kube-vip/kube-vip', version: 'v1.2.3', stamp: 'main.Version', versionArgv: ['version'] },
  kwok: { path: 'sigs.k8s.io/kwok/cmd/kwok', version: 'v0.8.0', stamp: 'sigs.k8s.io/kwok/pkg/consts.Version', versionArgv: ['--version'] },
} as const satisfies Record<string, Extra>;

export type ExtraName = keyof typeof EXTRAS;

/** Puts a program of EXTRAS into the folder, where it is not there in the right version. Throws when it cannot be built. */
export async function getExtra(name: ExtraName, options: { folder: string; say: (line: string) => void }): Promise<void> {
  const { folder, say } = options;
  const { path, version, stamp }: Extra = EXTRAS[name];
  if (await isThere(name, folder)) return say(`${name} ${version} is in ${folder}`);
  const part = join(folder, `.part-${process.pid}`);
  mkdirSync(part, { recursive: true });
  try {
    say(`building ${name} ${version}`);
    await runGo(['install', '-trimpath', '-ldflags', `-s -w -X ${stamp}=${version}`, `${path}@${version}`], { env: { GOBIN: part } });
    renameSync(join(part, name), join(folder, name));
    if (!(await isThere(name, folder))) throw new Error(`${name} was built, but does not call itself ${version}`);
    say(`${name} ${version} is in ${folder}`);
  } finally {
    rmSync(part, { recursive: true, force: true });
  }
}

async function isThere(name: ExtraName, folder: string): Promise<boolean> {
  const { version, versionArgv }: Extra = EXTRAS[name];
  const program = join(folder, name);
  if (!existsSync(program)) return false;
  return (await run([program, ...versionArgv])).stdout.includes(version);
}
