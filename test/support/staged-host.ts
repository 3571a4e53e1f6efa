/** A machine that looks to the programs which read rendered files as if these were in place. */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { RenderedFile } from '../../src/core/render/file.ts';

/** A host with an interface eth0 and these files laid over its /etc. */
export interface StagedHost {
  run(program: string, ...parameters: string[]): { code: number | null; output: string };
  remove(): void;
}

/** Overlay and network go with the program; `$0` is the folder. */
const STAGE = `ip link add eth0 type veth peer name eth1 && ip link set lo up && ip link set eth0 up && mount -t overlay -o "lowerdir=$0/etc:/etc" hale /etc && mount -t tmpfs hale /run &&
mkdir -p /run/haproxy && exec "$@"`;

export function stageHost(files: Iterable<RenderedFile>): StagedHost {
  const folder = mkdtempSync(join(tmpdir(), 'hale-staged-'));
  for (const { path, text, mode } of files) {
    mkdirSync(join(folder, dirname(path)), { recursive: true });
    writeFileSync(join(folder, path), text);
    chmodSync(join(folder, path), mode);
  }
  chmodSync(folder, 0o755);
  return {
    run: (program, ...parameters) => {
      const argv = ['--mount', '--net', 'sh', '-c', STAGE, folder, program, ...parameters];
      const { status, stdout, stderr } = spawnSync('unshare', argv, { encoding: 'utf8', timeout: 30_000 });
      return { code: status, output: stdout + stderr };
    },
    remove: () => rmSync(folder, { recursive: true }),
  };
}
