import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readPasswordFile } from '../../../src/drivers/password-file.ts';

let folder: string;
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'hale-password-'))));
afterAll(() => rmSync(folder, { recursive: true }));

function read(text: string | undefined, mode = 0o600): string {
  const file = join(folder, 'password');
  rmSync(file, { force: true });
  if (text !== undefined) writeFileSync(file, text);
  if (text !== undefined) chmodSync(file, mode);
  return readPasswordFile(file, { key: 'vrrp.passwordFile', most: 8 });
}

test('the password is what stands in the file, without the line break at its end', () => {
  expect([read('s3cret!\n'), read('s3cret!'), read(' a b \r\n')]).toEqual(['s3cret!', 's3cret!', ' a b ']);
});

test.each([
  { what: 'nothing', text: undefined, says: /vrrp\.passwordFile: .* cannot be read: ENOENT/ },
  { what: 'a line break', text: '\n', says: /is empty/ },
  { what: 'too much', text: 'ninebytes', says: /has 9 bytes, but a password has at most 8 here/ },
  { what: 'other signs', text: 'pässwo', says: /has other signs than printable ASCII/ },
  { what: 'several lines', text: 'one\ntwo\n', says: /has other signs than printable ASCII/ },
  { what: 'a mode for others', text: 's3cret!', mode: 0o640, says: /can be read by others than its owner/ },
])('$what is refused with file and way out, and the password is not shown', ({ text, mode, says }) => {
  const refused = () => read(text, mode);
  expect(refused).toThrow(says);
  expect(refused).toThrow(expect.objectContaining({ code: 'password_file_unusable', remedy: expect.stringMatching(/./) }));
  if (text !== undefined && text.trim() !== '')
    expect(refused).not.toThrow(expect.objectContaining({ message: expect.stringContaining(text.trim()) }));
});
