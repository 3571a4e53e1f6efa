import { type Document, isAlias, isMap, isPair, isScalar, isSeq, type Node, parseAllDocuments, type YAMLError } from 'yaml';
import type { Span, TextFile } from '../text-file.ts';
import type { Trouble } from './trouble.ts';

/** Keys and list indexes from the root. */
export type Path = readonly (string | number)[];

/** One document of a YAML or JSON file: plain data, and where each part of it stands. */
export interface YamlDocument {
  file: TextFile;
  /** Of the documents in the file, from 0. */
  index: number;
  /** Empty where it has none. */
  apiVersion: string;
  kind: string;
  /** Plain data; merge keys and aliases are resolved. Text, numbers and booleans as YAML 1.2 reads them. */
  value: unknown;
  /** Of the value at `path`, or of its key; of the nearest part around it where there is no such path. */
  span(path: Path, what?: 'key' | 'value'): Span;
}

/** More than any file for people has; a bomb has billions. */
const ALIASES_MAX = 1000;

/** Every document of a file that holds something. Never throws: what cannot be read is among the troubles. */
export function readYaml(file: TextFile): { documents: YamlDocument[]; troubles: Trouble[] } {
  const troubles: Trouble[] = [];
  const documents: YamlDocument[] = [];
  const parsed = parseAllDocuments(file.text, { version: '1.2', merge: true, prettyErrors: false, logLevel: 'silent' });
  for (const [index, document] of ('empty' in parsed ? [] : parsed).entries()) {
    troubles.push(...document.errors.slice(0, 1).map((error) => syntaxTrouble(error, file)));
    if (document.errors.some(({ code }) => code !== 'DUPLICATE_KEY')) continue;
    const read = readDocument(document, { file, index });
    if ('trouble' in read) troubles.push(read.trouble);
    else if (read.value !== null && read.value !== undefined) documents.push(read);
  }
  return { documents, troubles };
}

function readDocument(document: Document, { file, index }: { file: TextFile; index: number }): YamlDocument | { trouble: Trouble } {
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: ALIASES_MAX });
  } catch (error) {
    // Too many aliases, or one that leads nowhere: the library says which.
    return {
      trouble: {
        kind: 'aliases',
        at: { file, start: document.range?.[0] ?? 0, end: document.range?.[0] ?? 0 },
        detail: (error as Error).message,
      },
    };
  }
  if (file.text.includes('&') && isCircular(value)) {
    const start = document.range?.[0] ?? 0;
    return { trouble: { kind: 'aliases', at: { file, start, end: start }, detail: 'an alias stands in what it is an alias of' } };
  }
  return {
    file,
    index,
    apiVersion: textAt(value, ['apiVersion']) ?? '',
    kind: textAt(value, ['kind']) ?? '',
    value,
    span: (path, what = 'value') => spanOf(document, { file, path, what }),
  };
}

/** Whether a value is part of itself, which nobody who looks through it expects. Each is looked at once, by however many aliases it is reached. */
function isCircular(value: unknown, around = new Set<unknown>(), done = new Set<unknown>()): boolean {
  if (value === null || typeof value !== 'object' || done.has(value)) return false;
  if (around.has(value)) return true;
  around.add(value);
  const found = Object.values(value).some((part) => isCircular(part, around, done));
  around.delete(value);
  done.add(value);
  return found;
}

function syntaxTrouble({ code, message, pos }: YAMLError, file: TextFile): Trouble {
  const at = { file, start: pos[0], end: pos[1] };
  if (code === 'DUPLICATE_KEY')
    return { kind: 'duplicate-key', at, detail: file.text.slice(pos[0], pos[1]).split(/[:\n]/)[0]?.trim() ?? '' };
  return { kind: 'syntax', at, detail: message.charAt(0).toLowerCase() + message.slice(1) };
}

function spanOf(document: Document, { file, path, what }: { file: TextFile; path: Path; what: 'key' | 'value' }): Span {
  let node: unknown = document.contents;
  let key: Node | undefined;
  for (const [depth, step] of path.entries()) {
    if (isAlias(node)) node = node.resolve(document);
    const next = childOf(node, step);
    if (next === undefined) return nodeSpan(key ?? (depth === 0 ? document.contents : node), file);
    ({ key, node } = next);
  }
  const empty = isScalar(node) && node.range !== undefined && node.range !== null && node.range[0] === node.range[1];
  return nodeSpan(what === 'key' || node === null || empty ? (key ?? node) : node, file);
}

function childOf(node: unknown, step: string | number): { key: Node | undefined; node: unknown } | undefined {
  if (isSeq(node)) {
    const item = typeof step === 'number' ? node.items[step] : undefined;
    return item === undefined ? undefined : { key: undefined, node: item };
  }
  if (!isMap(node)) return undefined;
  const pair = node.items.find((candidate) => isPair(candidate) && isScalar(candidate.key) && String(candidate.key.value) === String(step));
  return pair === undefined ? undefined : { key: pair.key as Node, node: pair.value };
}

function nodeSpan(node: unknown, file: TextFile): Span {
  const range = (node as Node | null | undefined)?.range;
  return range === undefined || range === null ? { file, start: 0, end: 0 } : { file, start: range[0], end: range[1] };
}

/** What is at `path` of plain data, or undefined. */
export function valueAt(value: unknown, path: Path): unknown {
  let at = value;
  for (const step of path) {
    if (at === null || typeof at !== 'object') return undefined;
    if (!Object.hasOwn(at, step)) return undefined;
    at = (at as Record<string | number, unknown>)[step];
  }
  return at;
}

/** Text, a number or a boolean at `path`, as text; undefined for anything else. */
export function textAt(value: unknown, path: Path): string | undefined {
  const found = valueAt(value, path);
  return typeof found === 'string' ? found : typeof found === 'number' || typeof found === 'boolean' ? String(found) : undefined;
}

/** The list at `path`; empty where there is none. */
export function listAt(value: unknown, path: Path): readonly unknown[] {
  const found = valueAt(value, path);
  return Array.isArray(found) ? found : [];
}

/** The mapping at `path`; empty where there is none. */
export function mapAt(value: unknown, path: Path): Readonly<Record<string, unknown>> {
  const found = valueAt(value, path);
  return found !== null && typeof found === 'object' && !Array.isArray(found) ? (found as Record<string, unknown>) : {};
}
