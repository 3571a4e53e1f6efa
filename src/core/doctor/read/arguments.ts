import type { Span } from '../text-file.ts';
import type { Flag } from './program.ts';

/** A word of a command line. */
export interface Word {
  text: string;
  span: Span;
}

/** Flags without a value, whose next word is something else: `kubeadm join --control-plane 10.0.0.1:6443`. */
const SWITCHES: ReadonlySet<string> = new Set([
  'arp',
  'bgp',
  'cluster',
  'cluster-init',
  'cluster-reset',
  'control-plane',
  'controlplane',
  'debug',
  'disable-apiserver',
  'disable-controller-manager',
  'disable-etcd',
  'disable-kube-proxy',
  'disable-scheduler',
  'dry-run',
  'embedded-registry',
  'enableLoadBalancer',
  'enableNodeLabeling',
  'etcd-disable-snapshots',
  'etcd-expose-metrics',
  'etcd-s3',
  'etcd-snapshot-compress',
  'experimental-control-plane',
  'experimental-upload-certs',
  'force',
  'force-new-cluster',
  'health-insecure-skip-verify',
  'help',
  'inCluster',
  'insecure-skip-tls-verify',
  'keep-db',
  'leader-elect',
  'leaderElection',
  'learner',
  'logger',
  'logtostderr',
  'mark-compacted',
  'run-once',
  'secrets-encryption',
  'services',
  'servicesElection',
  'skip-hash-check',
  'taint',
  'unsafe-no-fsync',
  'upload-certs',
  'yes',
]);

/** Flags and other words. pflag and Go's flag package take one dash or two, and `--name=value` or `--name value`. */
export function readArguments(words: readonly Word[]): { flags: Flag[]; words: Word[] } {
  const flags: Flag[] = [];
  const others: Word[] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i] as Word;
    const match = /^--?([A-Za-z][^=]*)(=)?/s.exec(word.text);
    if (match === null) {
      if (word.text !== '--') others.push(word);
      continue;
    }
    const next = words[i + 1];
    const takesNext = match[2] === undefined && next !== undefined && !/^-./.test(next.text) && !SWITCHES.has(match[1] as string);
    if (takesNext) i++;
    flags.push(takesNext ? flagOfTwo(word, { name: match[1] as string, value: next }) : flagOf(word, match));
  }
  return { flags, words: others };
}

function flagOfTwo({ span }: Word, { name, value }: { name: string; value: Word }): Flag {
  return { name, value: value.text, span: { ...span, end: value.span.end }, valueSpan: value.span };
}

function flagOf({ text, span }: Word, match: RegExpExecArray): Flag {
  const name = match[1] as string;
  if (match[2] === undefined) return { name, value: undefined, span, valueSpan: undefined };
  const value = text.slice(match[0].length);
  return { name, value, span, valueSpan: partOf(span, { text, start: match[0].length, end: text.length }) };
}

/** `name=value` without dashes, as k3s takes it in `kube-apiserver-arg`. */
export function readPair({ text, span }: Word): Flag {
  const at = text.indexOf('=');
  const name = (at === -1 ? text : text.slice(0, at)).replace(/^-+/, '');
  if (at === -1) return { name, value: undefined, span, valueSpan: undefined };
  return { name, value: text.slice(at + 1), span, valueSpan: partOf(span, { text, start: at + 1, end: text.length }) };
}

/**
 * Where a part of `text` stands in the file, when `whole` is where the text stands: plain, in quotes, or as a block of lines. The whole
 * where that cannot be told.
 */
export function partOf(whole: Span, { text, start, end }: { text: string; start: number; end: number }): Span {
  const raw = whole.file.text.slice(whole.start, whole.end);
  const shift = raw.indexOf(text);
  if (shift !== -1) return { file: whole.file, start: whole.start + shift + start, end: whole.start + shift + end };
  const part = text.slice(start, end);
  // Of a block of lines, the part is found in its own line; the header of the block is passed over.
  const line = raw.startsWith('|') ? lineStart(raw, text.slice(0, start).split('\n').length) : 0;
  const found = part === '' ? -1 : raw.indexOf(part, line);
  return found === -1 ? whole : { file: whole.file, start: whole.start + found, end: whole.start + found + part.length };
}

function lineStart(raw: string, line: number): number {
  let at = 0;
  for (let i = 0; i < line; i++) at = raw.indexOf('\n', at) + 1;
  return at;
}

/** Words of a command line as systemd and the shell part them: blanks, quotes, and a backslash before a line break (systemd.syntax(7)). */
export function splitWords(whole: Span, text: string): Word[] {
  const words: Word[] = [];
  for (const match of text.matchAll(/(?:\\\r?\n|\s)+|((?:"(?:\\[^]|[^"\\])*"|'[^']*'|\\[^\r\n]|[^\s"'\\]|["'])+)/g)) {
    const [, word] = match;
    if (word === undefined) continue;
    const place = { text, start: match.index, end: match.index + word.length };
    words.push({ text: unquoted(word), span: partOf(whole, place) });
  }
  return words;
}

function unquoted(word: string): string {
  return word.replaceAll(
    /"((?:\\[^]|[^"\\])*)"|'([^']*)'|\\([^])/g,
    (_, double: string | undefined, single: string | undefined, escaped: string | undefined) =>
      double?.replaceAll(/\\([^])/g, '$1') ?? single ?? escaped ?? '',
  );
}
