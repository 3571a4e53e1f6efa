import type { ByteSource } from '../../src/core/etcd/bbolt/layout.ts';
import { Problems, type StructureProblem } from '../../src/core/etcd/bbolt/problem.ts';
import { checkStructure, type Structure } from '../../src/core/etcd/bbolt/structure.ts';
import { type Content, type ContentProblem, ContentReader } from '../../src/core/etcd/snapshot/content.ts';

export interface Inspected {
  structure: Structure | undefined;
  content: Content | undefined;
  problems: (StructureProblem | ContentProblem)[];
  count: number;
}

/** What is found in the bytes of a file. Throws when more is read than there is. */
export function inspected(bytes: Uint8Array, options: { endsWithPages?: boolean } = {}): Inspected {
  const structural = new Problems<StructureProblem>();
  const contentual = new Problems<ContentProblem>();
  const reader = new ContentReader({ problems: contentual, seed: { a: 1, b: 2 } });
  const checking = checkStructure({
    source: strictSource(bytes),
    problems: structural,
    endsWithPages: options.endsWithPages ?? true,
    first: ContentReader.first,
    visitorOf: (bucket) => reader.visitorOf(bucket),
  });
  let step = checking.next();
  while (step.done !== true) step = checking.next();
  const structure = step.value;
  const content = structure === undefined ? undefined : reader.finish(structure);
  return { structure, content, problems: [...structural.kept, ...contentual.kept], count: structural.count + contentual.count };
}

/** What was read is spoilt by the next call, as a window over a file does. */
function strictSource(bytes: Uint8Array): ByteSource {
  let last = new Uint8Array(0);
  return {
    sizeBytes: bytes.length,
    read(offset, length) {
      if (!(offset >= 0 && length >= 0 && offset + length <= bytes.length))
        throw new Error(`read ${length} at ${offset} of ${bytes.length}`);
      last.fill(0xff);
      last = new Uint8Array(bytes.subarray(offset, offset + length));
      return last;
    },
  };
}
