import { microTimeOf } from '../../core/apiserver/micro-time.ts';
import { printable } from '../../base/printable.ts';
import type { NodeEvent } from '../../ports/node-api.ts';

/** In bytes of UTF-8 (kubernetes, pkg/apis/core/validation/events.go), as all of these. */
const NOTE_BYTES_MAX = 1024;
const INSTANCE_BYTES_MAX = 128;

/** An Event of a Node. It is in the namespace default, as all of objects that are in none. */
export function toEventObject({ node, type, reason, action, note }: NodeEvent, by: { instance: string; nowMs: number }): object {
  return {
    apiVersion: 'events.k8s.io/v1',
    kind: 'Event',
    // The server completes the name, and cuts one that is too long for that.
    metadata: { generateName: `${node.name}-`, namespace: 'default' },
    // MicroTime: exactly six digits after the second.
    eventTime: microTimeOf(by.nowMs),
    regarding: { apiVersion: 'v1', kind: 'Node', name: node.name, uid: node.uid },
    type,
    reason,
    action,
    note: cut(printable(note), NOTE_BYTES_MAX),
    reportingController: 'hale.dev/heal',
    reportingInstance: cut(by.instance, INSTANCE_BYTES_MAX),
  };
}

/** To whole characters. */
function cut(text: string, bytesMax: number): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= bytesMax) return text;
  let end = bytesMax;
  // A byte 10xxxxxx goes on a character.
  while (((bytes[end] as number) & 0xc0) === 0x80) end--;
  return bytes.toString('utf8', 0, end);
}
