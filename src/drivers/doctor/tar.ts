/** Reads what tar(1) of GNU or busybox writes: POSIX ustar (IEEE Std 1003.1, pax), with GNU's entries for long names. */

const BLOCK = 512;

export interface TarFile {
  /** As it was packed, without a slash before it. */
  path: string;
  bytes: Buffer;
}

/** The regular files of an archive; of one that is cut off, those that are whole. */
export function* readTar(archive: Buffer): Generator<TarFile> {
  let longName: string | undefined;
  for (let at = 0; at + BLOCK <= archive.length; ) {
    const header = archive.subarray(at, at + BLOCK);
    const size = Number.parseInt(textOf(header, { start: 124, length: 12 }), 8);
    const end = at + BLOCK + size;
    // A block of zeros ends an archive.
    if (header[0] === 0 || Number.isNaN(size) || end > archive.length) return;
    const bytes = archive.subarray(at + BLOCK, end);
    const type = String.fromCharCode(header[156] as number);
    if (type === 'L') longName = bytes.toString().replace(/\0+$/, '');
    else if (type === 'x') longName = /^\d+ path=(.*)$/m.exec(bytes.toString())?.[1] ?? longName;
    else {
      if (type === '0' || type === '\0') yield { path: longName ?? nameIn(header), bytes };
      longName = undefined;
    }
    at += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
  }
}

function nameIn(header: Buffer): string {
  const name = textOf(header, { start: 0, length: 100 });
  const isUstar = header.subarray(257, 263).toString() === 'ustar\0';
  const prefix = isUstar ? textOf(header, { start: 345, length: 155 }) : '';
  return prefix === '' ? name : `${prefix}/${name}`;
}

function textOf(header: Buffer, { start, length }: { start: number; length: number }): string {
  const field = header.subarray(start, start + length);
  const end = field.indexOf(0);
  return field.subarray(0, end === -1 ? length : end).toString();
}
