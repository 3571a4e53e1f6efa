import { createTwoFilesPatch } from 'diff';
import type { Finding } from '../../core/doctor/finding.ts';
import { mend, type MendedFile, type Mending } from '../../core/doctor/mend.ts';
import { hideSecrets, secretsIn } from '../../core/doctor/secrets.ts';
import type { TextFile } from '../../core/doctor/text-file.ts';
import { replaceText } from '../../drivers/doctor/replace.ts';
import { agreed } from '../agreed.ts';

export interface FixOptions {
  yes?: true;
  dryRun?: true;
}

interface Fixing {
  findings: readonly Finding[];
  /** Files on this host's disk; of others the edits are only told. */
  writable: ReadonlySet<TextFile>;
  /** For the diff and what was done. */
  say: (text: string) => void;
}

/** Shows what would be mended as a unified diff, asks, and mends it. Returns the files that were, with their new texts. */
export async function fixFiles({ findings, writable, say }: Fixing, { yes, dryRun }: FixOptions): Promise<MendedFile[]> {
  const mending = mend(findings, writable);
  if (mending.files.length === 0) {
    say('nothing here can be mended by replacing text: see the ways out\n\n');
    return [];
  }
  for (const file of mending.files) say(diffText(file));
  say(summary(mending));
  const goes = dryRun ? false : await agreed('Write this?', { ...(yes && { yes }), undone: 'nothing was written' });
  if (!goes) {
    say('nothing was written\n\n');
    return [];
  }
  for (const file of mending.files) replaceText(file);
  say(`written: ${mending.files.map(({ file }) => file.path).join(', ')}\n\n`);
  return mending.files;
}

function diffText({ file, text }: MendedFile): string {
  const headerOptions = { includeIndex: false, includeUnderline: false, includeFileHeaders: true };
  const patch = createTwoFilesPatch(file.path, file.path, file.text, text, undefined, undefined, { headerOptions });
  return hideSecrets(patch, secretsIn(`${file.text}\n${text}`)).replaceAll('\r', '');
}

function summary({ files, mended, postponed }: Mending): string {
  const later = postponed.length === 0 ? '' : `; ${postponed.length} more overlap with these: run it again for them`;
  return `${mended.length} of the findings would be mended in ${files.length === 1 ? '1 file' : `${files.length} files`}${later}\n`;
}
