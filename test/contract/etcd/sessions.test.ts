import { once } from 'node:events';
import { createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { Sessions } from '../../../src/drivers/etcd/sessions.ts';
import { until } from '../../support/hale.ts';

test('an answer that was whole before anybody read it is no failure', async () => {
  const server = createServer();
  server.on('stream', (stream) => {
    stream.respond({ ':status': 200 }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.end('the whole answer');
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const sessions = new Sessions(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  try {
    const stream = await sessions.request('GET', '/', {}, {});
    stream.end();
    await until(() => stream.closed, Boolean, 'all of it is there');
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk as Buffer);
    expect(Buffer.concat(chunks).toString()).toBe('the whole answer');
  } finally {
    sessions.abort();
    server.close();
  }
});
