import { isUtf8 } from 'node:buffer';
import type { Trouble } from '../../core/doctor/read/trouble.ts';
import { type TextFile, topOf } from '../../core/doctor/text-file.ts';

/** Of one file; more than any that people write has. What is larger is a log, an image or a dump. */
export const FILE_BYTES_MAX = 4 * 2 ** 20;

/** What could be read of a file; `file` is undefined where nothing could. */
export interface ReadText {
  file: TextFile | undefined;
  troubles: Trouble[];
}

/** How a file is named. */
export type FileName = Pick<TextFile, 'path' | 'host'>;

/** Nothing was read of the file, and why. */
export function notRead(name: FileName, { kind, detail }: Pick<Trouble, 'kind' | 'detail'>): ReadText {
  return { file: undefined, troubles: [{ kind, at: topOf({ ...name, text: '' }), detail }] };
}

/** The bytes of a file as text, without a byte-order mark. */
export function decode(bytes: Buffer, name: FileName): ReadText {
  const wide = wideEncoding(bytes);
  if (wide !== undefined) return notRead(name, { kind: 'encoding', detail: `it is ${wide}` });
  if (bytes.includes(0)) return notRead(name, { kind: 'binary', detail: '' });
  const isMarked = bytes.subarray(0, 3).equals(UTF8_MARK);
  const own = isMarked ? bytes.subarray(3) : bytes;
  const file = { ...name, text: own.toString() };
  const troubles: Trouble[] = isMarked ? [{ kind: 'byte-order-mark', at: topOf(file), detail: '' }] : [];
  if (isUtf8(own)) return { file, troubles };
  const start = Math.max(0, file.text.indexOf('\ufffd'));
  return { file, troubles: [...troubles, { kind: 'encoding', at: { file, start, end: start + 1 }, detail: 'this byte is no UTF-8' }] };
}

const UTF8_MARK = Buffer.of(0xef, 0xbb, 0xbf);
/** As much of a file as tells that every other byte is zero. */
const SAMPLE_BYTES = 64;

/** Encodings of Windows editors and PowerShell's `>`, with a byte-order mark or without. */
function wideEncoding(bytes: Buffer): string | undefined {
  const mark = bytes.subarray(0, 2).toString('hex');
  if (mark === 'fffe' || mark === 'feff') return 'UTF-16';
  const sample = bytes.subarray(0, SAMPLE_BYTES);
  if (sample.length < 8) return undefined;
  const zeros = [0, 1].map((parity) => sample.every((byte, i) => i % 2 !== parity || byte === 0));
  const others = [0, 1].map((parity) => sample.every((byte, i) => i % 2 !== parity || byte !== 0));
  return (zeros[0] && others[1]) || (zeros[1] && others[0]) ? 'UTF-16 without a byte-order mark' : undefined;
}

/** Copies that editors, packages and people leave beside a file. A kubelet runs them all the same, whatever they are called. */
export function isLeftover(path: string): boolean {
  return (
    /(?:\.(?:sample|example|bak|orig|old|save|rpm(?:new|save)|(?:dpkg|ucf)-\w+|sw[op])|~)$/.test(path) && !/manifests\/[^/]+$/.test(path)
  );
}
