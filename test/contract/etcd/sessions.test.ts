import { once } from 'node:events';
import { createServer, type Http2Server, type ServerHttp2Session } from 'node:http2';
import { type AddressInfo, createServer as createTcpServer, type Server, connect as tcpConnect } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { Sessions } from '../../../src/drivers/etcd/sessions.ts';
import { until } from '../../support/hale.ts';

// That nothing ends the process for want of a listener is seen by vitest, which fails for any error that nobody took.
const ends: (() => void)[] = [];
afterEach(() => {
  for (const end of ends.splice(0)) end();
});

async function listen(server: Server | Http2Server): Promise<string> {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  ends.push(() => server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Answers every request with a word, and keeps the sessions it has accepted. */
async function answeringServer() {
  const server = createServer();
  const accepted: ServerHttp2Session[] = [];
  server.on('session', (session) => accepted.push(session));
  server.on('stream', (stream) => {
    stream.respond({ ':status': 200 }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.end('the whole answer');
  });
  const url = `http://${await listen(server)}`;
  ends.push(() => accepted.forEach((session) => session.destroy()));
  return { url, accepted };
}

/** Goes on in its place until it is told to fall silent: what comes on the connections it has then is neither passed on nor refused. */
async function relayTo(url: string) {
  const { hostname: host, port } = new URL(url);
  let silence: (() => void)[] = [];
  const relay = createTcpServer((near) => {
    const far = tcpConnect({ host, port: Number(port) });
    near.pipe(far).pipe(near);
    for (const socket of [near, far]) {
      socket.on('error', () => undefined);
      ends.push(() => socket.destroy());
    }
    silence.push(() => {
      near.unpipe();
      far.unpipe();
    });
  });
  const fallSilent = () => {
    for (const stop of silence) stop();
    silence = [];
  };
  return { url: `http://${await listen(relay)}`, fallSilent };
}

function opened(url: string, options?: ConstructorParameters<typeof Sessions>[1]): Sessions {
  const sessions = new Sessions(url, options);
  ends.push(() => sessions.abort());
  return sessions;
}

async function ask(sessions: Sessions): Promise<string> {
  const stream = await sessions.request('GET', '/', {});
  stream.end();
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
}

test('an answer that was whole before anybody read it is no failure', async () => {
  const sessions = opened((await answeringServer()).url);
  const stream = await sessions.request('GET', '/', {});
  stream.end();
  await until(() => stream.closed, Boolean, 'all of it is there');
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  expect(Buffer.concat(chunks).toString()).toBe('the whole answer');
});

test('who asks while a connection is given up gets the next one, and is told when that is given up too', async () => {
  const silent = createTcpServer();
  let accepted = 0;
  silent.on('connection', (socket) => {
    accepted += 1;
    socket.on('error', () => undefined);
    ends.push(() => socket.destroy());
  });
  const sessions = opened(`https://${await listen(silent)}`);
  const outcomes: unknown[] = [];
  const request = () => sessions.request('GET', '/', {}).catch((error: unknown) => outcomes.push(error));
  const first = request();
  await until(
    () => accepted,
    (count) => count === 1,
    'the first is accepted',
  );
  sessions.giveUpOpening();
  const second = request();
  await first;
  await until(
    () => accepted,
    (count) => count === 2,
    'the second is accepted',
  );
  expect(outcomes).toMatchObject([{ rawMessage: 'connection aborted' }]);
  sessions.giveUpOpening();
  await second;
  expect(outcomes).toHaveLength(2);
});

test('a server that says goodbye to a connection without streams, or drops it, is asked on a new one', async () => {
  const { url, accepted } = await answeringServer();
  const sessions = opened(url);
  expect(await ask(sessions)).toBe('the whole answer');
  accepted[0]?.close();
  await until(
    () => sessions.roundTrip(50),
    (ms) => ms === null,
    'goodbye is heard',
  );
  expect(await ask(sessions)).toBe('the whole answer');
  accepted[1]?.destroy();
  await until(
    () => sessions.roundTrip(50),
    (ms) => ms === null,
    'its end is heard',
  );
  expect(await ask(sessions)).toBe('the whole answer');
  expect(accepted).toHaveLength(3);
});

test('a connection whose peer has gone silent is replaced, for all who ask meanwhile', async () => {
  const { url, accepted } = await answeringServer();
  const relay = await relayTo(url);
  // The server is in this process: when it is held up, its answers are late as well.
  const sessions = opened(relay.url, { pingIntervalMs: 0, pingTimeoutMs: 2_000 });
  expect(await ask(sessions)).toBe('the whole answer');
  relay.fallSilent();
  expect(await Promise.all([ask(sessions), ask(sessions), sessions.roundTrip(10)])).toEqual(['the whole answer', 'the whole answer', null]);
  expect(accepted).toHaveLength(2);
});

test('a stream whose peer says goodbye and then goes silent ends', async () => {
  const server = createServer();
  const relay = await relayTo(`http://${await listen(server)}`);
  server.on('stream', (stream) => {
    stream.respond({ ':status': 200 });
    // It says goodbye to the connection before, which ends no stream.
    stream.write('so far', () => stream.session?.goaway(0));
    setTimeout(() => relay.fallSilent(), 100);
  });
  const sessions = opened(relay.url, { pingIntervalMs: 50, pingTimeoutMs: 200 });
  await expect(ask(sessions)).rejects.toThrow('PING timed out');
});

test('a server that ends every connection at once is not asked for ever', async () => {
  const server = createServer();
  let accepted = 0;
  server.on('session', (session) => {
    accepted += 1;
    session.destroy();
  });
  const sessions = opened(`http://${await listen(server)}`);
  await expect(ask(sessions)).rejects.toThrow();
  expect(accepted).toBeLessThan(5);
});
