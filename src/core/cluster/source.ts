import { type ErrorCode, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument, type YAMLMap } from 'yaml';
import { type Finding, finding, type Path, pathText } from './problems.ts';

/** A YAML text as plain data, with the place of every key and value. */
export interface Source {
  /** undefined where the text holds no value, or is not YAML. */
  value: unknown;
  findings: Finding[];
  /** Whether the text itself, and not a default, has something at `path`. */
  has(path: Path): boolean;
  /** Line and column, both from 1, of what is at `path`, or of the nearest key around it. */
  locate(place: Pick<Finding, 'path' | 'at'>): { line: number; column: number };
}

/** Where the words of the parser would puzzle a person who does not know its grammar. */
const DETAILS: Partial<Record<ErrorCode, string>> = {
  BLOCK_AS_IMPLICIT_KEY: 'a value on the line of its key cannot be followed by a colon, unless it is in quotes',
  RESOURCE_EXHAUSTION: 'lists or mappings are nested too deeply',
  UNEXPECTED_TOKEN: 'this does not fit what stands before it, often because of its indentation',
};

interface Offsets {
  key: number;
  value: number;
}

/** Reads one YAML 1.2 document. Never throws: broken YAML is a finding, and then `value` is undefined. */
export function readSource(text: string): Source {
  const lines = new LineCounter();
  const document = parseDocument(text, { version: '1.2', lineCounter: lines, prettyErrors: false, uniqueKeys: false });
  const walk = new Walk(lines);
  const errors = [...document.errors, ...document.warnings].sort((a, b) => a.pos[0] - b.pos[0]);
  const second = errors.find(({ code }) => code === 'MULTIPLE_DOCS');
  // Only the first: what the parser meets after it is mostly its consequence.
  const broken = errors.find(({ code }) => code !== 'MULTIPLE_DOCS');
  if (second !== undefined) walk.findings.push(finding('cluster_yaml_documents', { path: [], at: { offset: second.pos[0] } }));
  if (broken !== undefined) {
    const detail = DETAILS[broken.code] ?? lowerFirst(broken.message);
    walk.findings.push(finding('cluster_yaml_syntax', { path: [], at: { offset: broken.pos[0] } }, { detail }));
  }
  const value = broken !== undefined || document.contents === null ? undefined : walk.read(document.contents, []);
  return {
    value,
    findings: walk.findings,
    has: (path) => walk.offsets.has(JSON.stringify(path)),
    locate: ({ path, at }) => {
      const { line, col } = lines.linePos(typeof at === 'object' ? at.offset : walk.offsetOf(path, at));
      return { line, column: col };
    },
  };
}

/** Turns nodes into plain data and notes where each stood. */
class Walk {
  readonly findings: Finding[] = [];
  readonly offsets = new Map<string, Offsets>();
  readonly #lines: LineCounter;

  constructor(lines: LineCounter) {
    this.#lines = lines;
  }

  read(node: Node | null, path: Path): unknown {
    if (path.length === 0) this.#note(path, node, 0);
    if (isMap<Node, Node | null>(node)) return this.#readMap(node, path);
    if (isSeq<Node | null>(node)) {
      return node.items.map((item, i) => {
        this.#note([...path, i], item, startOf(node));
        return this.read(item, [...path, i]);
      });
    }
    if (isAlias(node)) {
      this.findings.push(finding('cluster_yaml_alias', { path, at: { offset: startOf(node) } }, { name: node.source }));
      return undefined;
    }
    return isScalar(node) ? node.value : null;
  }

  #readMap(map: YAMLMap<Node, Node | null>, path: Path): Record<string, unknown> {
    const entries = new Map<string, unknown>();
    for (const { key, value } of map.items) {
      if (!isScalar(key)) {
        this.findings.push(finding('cluster_yaml_key', { path, at: { offset: startOf(key) } }));
        continue;
      }
      const name = String(key.value ?? '');
      const at = [...path, name];
      if (entries.has(name)) {
        const first = this.#lines.linePos(this.offsetOf(at, 'key')).line;
        const place = { path: at, at: { offset: startOf(key) } };
        this.findings.push(finding('cluster_duplicate_key', place, { key: pathText(at), firstLine: first }));
        continue;
      }
      this.#note(at, value, startOf(key), startOf(key));
      entries.set(name, this.read(value, at));
    }
    // Not by assignment: `__proto__` must stay an ordinary (unknown) key.
    return Object.fromEntries(entries);
  }

  #note(path: Path, node: Node | null, otherwise: number, key?: number): void {
    const empty = node?.range == null || node.range[0] === node.range[1];
    const value = empty ? otherwise : startOf(node);
    this.offsets.set(JSON.stringify(path), { key: key ?? value, value });
  }

  /** Where `path` is not in the text, the key of the nearest part around it that is. */
  offsetOf(path: Path, at: 'key' | 'value'): number {
    for (let length = path.length; length >= 0; length--) {
      const offsets = this.offsets.get(JSON.stringify(path.slice(0, length)));
      if (offsets !== undefined) return length === path.length ? offsets[at] : offsets.key;
    }
    return 0;
  }
}

function startOf(node: Node): number {
  return node.range?.[0] ?? 0;
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
