import { readFileSync } from 'node:fs';
import { Decrypter } from 'age-encryption';
import { HaleError } from '../../base/error.ts';

/** The secret keys in an identity file of age: one a line, beside comments (`#`). HaleError `age_identity_wrong`, which never shows a line of the file. */
export function readIdentities(file: string): string[] {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw wrong(file, `cannot be read: ${(error as Error).message}`);
  }
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  const keys = lines.filter((line) => line !== '' && !line.startsWith('#'));
  if (keys.length === 0) throw wrong(file, 'holds no secret key');
  const bad = lines.findIndex((line) => keys.includes(line) && !isIdentity(line));
  if (bad !== -1) throw wrong(file, `line ${bad + 1} is no secret key that hale can use`);
  return keys;
}

function isIdentity(line: string): boolean {
  try {
    new Decrypter().addIdentity(line);
    return true;
  } catch {
    return false;
  }
}

function wrong(file: string, what: string): HaleError {
  return new HaleError({
    code: 'age_identity_wrong',
    kind: 'usage',
    message: `${file}: ${what}`,
    remedy:
      'name a file as age-keygen writes it, with lines that begin with AGE-SECRET-KEY-; one that is itself encrypted, first decrypt with age',
  });
}
