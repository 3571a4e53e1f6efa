import type { IncomingMessage } from 'node:http';
import type { KubernetesAnswer } from '../../ports/kubernetes.ts';

/** More than any answer that is asked for here; a list that has outgrown it is an error, not a full memory. */
const ANSWER_BYTES_MAX = 64 * 1024 * 1024;

export async function readAnswer(res: IncomingMessage): Promise<KubernetesAnswer> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of res as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > ANSWER_BYTES_MAX) throw new Error(`an answer of more than ${ANSWER_BYTES_MAX} bytes`);
    parts.push(part);
  }
  const text = Buffer.concat(parts).toString();
  const isJson = res.headers['content-type']?.split(';')[0]?.trim() === 'application/json';
  // API servers give seconds, never a date (apimachinery, pkg/api/errors).
  const retryAfter = /^\d{1,6}$/.test(res.headers['retry-after'] ?? '') ? { retryAfterMs: Number(res.headers['retry-after']) * 1000 } : {};
  return { status: res.statusCode ?? 0, body: isJson ? parseJson(text) : text, ...retryAfter };
}

/** The parser's own words would quote what it read, perhaps a Secret. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error('an answer that says it is JSON is none');
  }
}
