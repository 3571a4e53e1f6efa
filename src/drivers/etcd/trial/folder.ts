import { lstatSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { openLock } from '../../linux/lock.ts';

const NAME = 'hale-trial-';
/** Until its lock is taken, so that no other run takes it for one that was left behind. */
const NEW = 'hale-trial.new-';
const LOCK = 'lock';
/** From when on a folder that never got its lock is one that was left behind. */
const ABANDONED_MS = 600_000;

/** A folder that only this user enters, for what lasts as long as a trial. A run that is killed leaves it; the next removes it. */
export function makeTrialFolder(parent = tmpdir()): string {
  const made = mkdtempSync(join(parent, NEW));
  openLock(join(made, LOCK)).take();
  const folder = join(parent, basename(made).replace(NEW, NAME));
  renameSync(made, folder);
  return folder;
}

export function removeTrialFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}

/** Removes what runs of this user that were killed have left, and nothing of one that goes on. */
export function removeAbandonedFolders(parent = tmpdir()): void {
  for (const name of readdirSync(parent).filter((entry) => entry.startsWith(NAME) || entry.startsWith(NEW))) {
    const folder = join(parent, name);
    const stat = lstatSync(folder, { throwIfNoEntry: false });
    if (stat === undefined || !stat.isDirectory() || stat.uid !== process.getuid?.()) continue;
    const isNew = name.startsWith(NEW);
    if (isNew && Date.now() - stat.mtimeMs < ABANDONED_MS) continue;
    try {
      if (isNew || openLock(join(folder, LOCK)).take()) removeTrialFolder(folder);
    } catch {
      // It went away meanwhile, or is no folder of hale's; either way it is not ours to complain about.
    }
  }
}
