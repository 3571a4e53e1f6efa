import { Document, isMap, isSeq, type Node, type Pair, type Scalar } from 'yaml';
import { clusterJsonSchema, type JsonSchema } from './schema.ts';

const WIDTH = 110;
const HEADER = '# yaml-language-server: $schema=cluster.schema.json\n';

/** A cluster.yaml of these values, with what each key means above it, from the schema. Keys come in the order of `values`. */
export function composeDescription(values: object): string {
  const document = new Document(values);
  explain(document.contents, clusterJsonSchema(), 0);
  return HEADER + document.toString({ lineWidth: 0, indentSeq: false, commentString: (text) => text.replaceAll(/^/gm, '# ') });
}

/** Comments above the keys of `node`, which is so many levels deep. */
function explain(node: unknown, schema: JsonSchema | undefined, depth: number): void {
  if (isMap(node)) {
    for (const [i, pair] of node.items.entries()) {
      const { key, value } = pair as Pair<Scalar, Node>;
      const property = schema?.properties?.[String(key.value)] as JsonSchema | undefined;
      if (property?.description !== undefined) key.commentBefore = wrapped(property.description, WIDTH - 2 * depth);
      // Chapters stand apart.
      if (depth === 0 && i > 0) key.spaceBefore = true;
      explain(value, property, depth + 1);
    }
  } else if (isSeq(node)) {
    // What the keys of an item mean is said once.
    for (const [i, item] of node.items.entries()) explain(item, i === 0 ? (schema?.items as JsonSchema | undefined) : undefined, depth + 1);
  }
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
