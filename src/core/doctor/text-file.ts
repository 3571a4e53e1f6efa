/** A file to look at, by whatever name the user knows it. */
export interface TextFile {
  /** As the user named it; `cp1:/etc/haproxy/haproxy.cfg` for one read from a host, `kube-system/ConfigMap/kubeadm-config` for one from a live cluster. */
  path: string;
  text: string;
  /** Whose it is, where that is known: from a host's folder in a rendering, or the host it was read from. */
  host?: string;
  /** For a text inside another file (a value of a ConfigMap): how far its first line is from the beginning of that file, in lines and columns. */
  inside?: {
    lines: number;
    columns: number /** What it is called there, where it has a name. */;
    name?: string /** It is added to a file whose other parts are not known. */;
    isPart?: boolean;
  };
}

/** Part of a file, in UTF-16 code units from its beginning; `end` is behind it. */
export interface Span {
  file: TextFile;
  start: number;
  end: number;
}

/** One replacement in a file; an empty span inserts. */
export interface Edit {
  span: Span;
  text: string;
}

const lineStarts = new WeakMap<TextFile, number[]>();

function startsOf(file: TextFile): number[] {
  const known = lineStarts.get(file);
  if (known !== undefined) return known;
  const starts = [0];
  for (let at = file.text.indexOf('\n'); at !== -1; at = file.text.indexOf('\n', at + 1)) starts.push(at + 1);
  lineStarts.set(file, starts);
  return starts;
}

/** Line and column, both from 1, columns in UTF-16 code units. */
export function placeOf({ file, start }: Span): { line: number; column: number } {
  const starts = startsOf(file);
  let low = 0;
  let high = starts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((starts[middle] as number) <= start) low = middle;
    else high = middle - 1;
  }
  const { lines, columns } = file.inside ?? { lines: 0, columns: 0 };
  return { line: low + 1 + lines, column: start - (starts[low] as number) + 1 + columns };
}

/** The beginning of a file: where something is missing altogether. */
export function topOf(file: TextFile): Span {
  return { file, start: 0, end: 0 };
}

/** The whole line around an offset, with its line break. */
export function lineSpan({ file, start }: Span): Span {
  const from = file.text.lastIndexOf('\n', start - 1) + 1;
  const next = file.text.indexOf('\n', start);
  return { file, start: from, end: next === -1 ? file.text.length : next + 1 };
}
