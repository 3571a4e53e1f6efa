import { printable } from '../../base/printable.ts';

const CHARS_MAX = 300;

/** An answer that refuses, in one line: its status, and the API server's own words where it has some (a Status, or text). */
export function refusalText({ status, body }: { status: number; body: unknown }): string {
  const message = typeof body === 'object' && body !== null && 'message' in body ? body.message : body;
  const said = typeof message === 'string' ? printable(message.trim()).slice(0, CHARS_MAX) : '';
  return `HTTP ${status}${said === '' ? '' : `: ${said}`}`;
}
