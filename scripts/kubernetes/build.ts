import { join } from 'node:path';
import { runGo } from '../programs/go.ts';

/** A module that requires k8s.io/kubernetes at the release that is built. */
const MODULE = join(import.meta.dirname, '../../test/kubernetes');

export interface BuildOptions {
  version: string;
  programs: readonly string[];
  folder: string;
  say: (line: string) => void;
}

/** Builds the programs from the Go modules, one after the other: several minutes on two cores the first time. Throws when there is no Go tool chain, or it fails. */
export async function buildKubernetes({ version, programs, folder, say }: BuildOptions): Promise<void> {
  for (const [i, program] of programs.entries()) {
    const startedAt = performance.now();
    say(`building ${program} ${version} (${i + 1} of ${programs.length})`);
    const argv = ['build', '-trimpath', '-ldflags', linkFlags(version), '-o', join(folder, program), `k8s.io/kubernetes/cmd/${program}`];
    await runGo(argv, { cwd: MODULE });
    say(`built ${program} in ${Math.round((performance.now() - startedAt) / 1000)} s`);
  }
}

/** Without its version a program calls itself v0.0.0-master, which kubeadm and version skew checks refuse. */
function linkFlags(version: string): string {
  const [, major, minor] = /^v(\d+)\.(\d+)\./.exec(version) as RegExpExecArray;
  const values = { gitVersion: version, gitMajor: major, gitMinor: minor, gitTreeState: 'clean' };
  const packages = ['k8s.io/component-base/version', 'k8s.io/client-go/pkg/version'];
  const stamps = packages.flatMap((name) => Object.entries(values).map(([key, value]) => `-X ${name}.${key}=${value}`));
  return ['-s', '-w', ...stamps].join(' ');
}
