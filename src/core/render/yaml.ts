import { Document, type Node, Pair, Scalar, stringify, YAMLMap, YAMLSeq } from 'yaml';

/** Older readers understand it too: `yes` and `on` in quotes, long lines whole. */
const STYLE = { lineWidth: 0, indentSeq: false, compat: 'yaml-1.1', aliasDuplicateObjects: false } as const;

export function yamlText(value: unknown): string {
  return stringify(value, STYLE);
}

/** Several documents of one file. */
export function yamlDocuments(values: readonly unknown[]): string {
  return values.map(yamlText).join('---\n');
}

/** `# ` before every line; lines are broken by whoever writes them. */
export function comment(text: string): string {
  return text
    .split('\n')
    .map((line) => (line === '' ? '#\n' : `# ${line}\n`))
    .join('');
}

/** A value with the reason for it, which becomes a comment before its key or item. */
class Explained {
  readonly reason: string;
  readonly value: unknown;
  constructor(reason: string, value: unknown) {
    this.reason = reason;
    this.value = value;
  }
}

/** Lines of `reason` are broken by whoever writes it. Takes effect in `explainedYaml`. */
export function because(reason: string, value: unknown): unknown {
  return new Explained(reason, value);
}

/** A file for people to read: what it is in its first lines, then its documents, whose values may carry reasons. Keys of no value are left out. */
export function explainedYaml(head: string, documents: readonly unknown[]): string {
  const texts = documents.map((value) => new Document(nodeOf(value), STYLE).toString(STYLE));
  return `${comment(`Made by hale from cluster.yaml.\n${head}`)}${texts.join('---\n')}`;
}

function nodeOf(value: unknown): Node {
  if (value instanceof Explained) return explain(nodeOf(value.value), value.reason);
  if (Array.isArray(value)) {
    const list = new YAMLSeq();
    list.items = value.map(nodeOf);
    return list;
  }
  if (value === null || typeof value !== 'object') return new Scalar(value);
  const map = new YAMLMap();
  for (const [key, item] of Object.entries(value)) if (item !== undefined) map.items.push(pairOf(key, item));
  return map;
}

function pairOf(key: string, value: unknown): Pair {
  const name = new Scalar(key);
  return value instanceof Explained ? new Pair(explain(name, value.reason), nodeOf(value.value)) : new Pair(name, nodeOf(value));
}

function explain<N extends Node>(node: N, reason: string): N {
  node.commentBefore = reason.replaceAll(/^/gm, ' ');
  return node;
}
