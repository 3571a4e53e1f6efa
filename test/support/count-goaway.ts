/**
 * Prints how many requests over one HTTP/2 connection went well until the server asked to open another, as JSON. What was on its way to the server
 * by then, and refused, does not count: a client sends it again (RFC 9113, section 6.8). Argument: `{url, ca, limit}`.
 */
import { readFileSync } from 'node:fs';
import { connect, constants } from 'node:http2';

const AT_ONCE = 20;
const { url, ca, limit } = JSON.parse(process.argv[2] as string) as { url: string; ca: string; limit: number };
const session = connect(url, { ca: readFileSync(ca) });
const told: { goaway: number | null } = { goaway: null };
let sent = 0;
let good = 0;
session.on('goaway', (code) => (told.goaway = code));

function get(): Promise<void> {
  return new Promise((resolve, reject) => {
    const stream = session.request({ ':path': '/livez' });
    stream.on('response', (headers) => (good += headers[':status'] === 200 ? 1 : 0));
    let failure: Error | undefined;
    stream.on('error', (error) => (failure = error));
    stream.on('close', () => {
      const isRefused = stream.rstCode === constants.NGHTTP2_REFUSED_STREAM;
      if (isRefused) sent -= 1;
      if (failure === undefined || isRefused) resolve();
      else reject(failure);
    });
    stream.resume();
  });
}

async function ask(): Promise<void> {
  while (told.goaway === null && sent < limit && !session.closed && !session.destroyed) {
    sent += 1;
    await get();
  }
}

await Promise.all(Array.from({ length: AT_ONCE }, ask));
session.close();
process.stdout.write(JSON.stringify({ sent, good, ...told }));
