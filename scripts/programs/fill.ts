import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';

/** Makes `folder` from what `fill` puts into a folder beside it: it is there whole or not at all. What runs that were killed left there is removed. */
export async function fillFolder(folder: string, fill: (part: string) => Promise<void>): Promise<void> {
  const part = `${folder}.part-${process.pid}`;
  sweep(dirname(folder));
  mkdirSync(part, { recursive: true });
  try {
    await fill(part);
    rmSync(folder, { recursive: true, force: true });
    renameSync(part, folder);
  } finally {
    rmSync(part, { recursive: true, force: true });
  }
}

function sweep(dir: string): void {
  if (!existsSync(dir)) return;
  for (const name of readdirSync(dir)) {
    const pid = Number(/\.part-(\d+)$/.exec(name)?.[1]);
    if (pid > 0 && !existsSync(`/proc/${pid}`)) rmSync(`${dir}/${name}`, { recursive: true, force: true });
  }
}
