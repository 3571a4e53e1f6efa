import { Document, isMap, isScalar, isSeq, type Node, type Pair, Scalar } from 'yaml';
import type { Path } from './problems.ts';
import { clusterJsonSchema, type JsonSchema } from './schema.ts';

const WIDTH = 110;
const HEADER = '# yaml-language-server: $schema=cluster.schema.json\n';

/**
 * A cluster.yaml of these values, with what each key means above it, from the schema. `noteOf` adds a line of its own above a key.
 * Keys come in the order of `values`.
 */
export function composeDescription(values: object, noteOf: (path: Path) => string | undefined = () => undefined): string {
  const document = new Document(values);
  explain(document.contents, { schema: clusterJsonSchema(), path: [], noteOf });
  return HEADER + document.toString({ lineWidth: 0, indentSeq: false, commentString: (text) => text.replaceAll(/^/gm, '# ') });
}

interface Place {
  schema: JsonSchema | undefined;
  path: Path;
  noteOf: (path: Path) => string | undefined;
}

function explain(node: unknown, { schema, path, noteOf }: Place): void {
  if (isMap(node)) {
    for (const [i, pair] of node.items.entries()) explainPair(pair as Pair<Scalar, Node>, { schema, path, noteOf, isFirst: i === 0 });
  } else if (isSeq(node)) {
    // What the keys of an item mean is said once.
    for (const [i, item] of node.items.entries()) {
      explain(item, { schema: i === 0 ? (schema?.items as JsonSchema | undefined) : undefined, path: [...path, i], noteOf });
    }
  }
}

function explainPair(pair: Pair<Scalar, Node>, { schema, path, noteOf, isFirst }: Place & { isFirst: boolean }): void {
  const key = String(pair.key.value);
  const at = [...path, key];
  const property = schema?.properties?.[key] as JsonSchema | undefined;
  const lines = [noteOf(at), property?.description === undefined ? undefined : wrapped(property.description, WIDTH - 2 * path.length)];
  const comment = lines.filter((line) => line !== undefined).join('\n');
  if (comment !== '') pair.key.commentBefore = comment;
  // Chapters stand apart.
  if (path.length === 0 && !isFirst && isScalar(pair.key)) pair.key.spaceBefore = true;
  explain(pair.value, { schema: property, path: at, noteOf });
}

/** Words in lines of at most `width` characters. */
function wrapped(text: string, width: number): string {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines.join('\n');
}
