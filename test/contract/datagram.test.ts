import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, expect, test } from 'vitest';
import { decodeLeaseMessage } from '../../src/core/lease/wire.ts';
import { randomNonce, readKeyFile } from '../../src/drivers/datagram/keys.ts';
import { openUdp } from '../../src/drivers/datagram/udp.ts';
import { boottime } from '../../src/drivers/linux/boottime.ts';
import { type Rejection, SealedDatagram } from '../../src/engine/datagram.ts';
import { until } from '../support/hale.ts';

const addresses = ['127.66.0.1', '127.66.0.2'];
const dir = mkdtempSync(join(tmpdir(), 'hale-keys-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const opened: { close(): void }[] = [];
afterEach(() => {
  for (const socket of opened.splice(0)) socket.close();
});

let port = 0;
async function freePort(): Promise<number> {
  const socket = createSocket('udp4').bind(0, addresses[0]);
  await once(socket, 'listening');
  const found = socket.address().port;
  socket.close();
  return found;
}

function keyFile(text: string, mode = 0o600): string {
  const path = join(dir, `key-${randomNonce()}`);
  writeFileSync(path, text, { mode });
  chmodSync(path, mode);
  return path;
}

const KEY_A = 'a'.repeat(64);
const KEY_B = 'b'.repeat(64);

async function open(self: number, options: { keys?: string; cluster?: number } = {}) {
  const rejected: Rejection[] = [];
  const heard: number[] = [];
  const boot = randomNonce();
  const datagram = new SealedDatagram({
    self,
    addresses,
    packets: await openUdp({ address: addresses[self] as string, port }),
    cluster: options.cluster ?? 1,
    boot,
    clock: boottime,
    randomNonce,
    keys: readKeyFile(keyFile(options.keys ?? KEY_A)),
    onRejected: (reason) => rejected.push(reason),
  });
  datagram.onReceive((_, payload) => heard.push(payload[0] as number));
  opened.push(datagram);
  return { datagram, rejected, heard, boot };
}

test('two agents with one key hear each other, each datagram once', async () => {
  port = await freePort();
  const [a, b] = [await open(0), await open(1)];
  await until(
    () => a.datagram.send(1, Uint8Array.of(1)),
    () => b.heard.length > 0,
    'b hears a',
  );
  for (const n of [2, 3, 4]) a.datagram.send(1, Uint8Array.of(n));
  await until(
    () => b.heard.at(-1),
    (last) => last === 4,
    'the last one',
  );
  expect(b.heard.filter((n) => n > 1)).toEqual([2, 3, 4]);
});

test.each<[string, Rejection, { keys?: string; cluster?: number }]>([
  ['another key', 'wrong-key', { keys: KEY_B }],
  ['another description of the cluster', 'other-cluster', { cluster: 2 }],
])('an agent with %s is counted and not heard', async (_, reason, options) => {
  port = await freePort();
  const [a, b] = [await open(0), await open(1, options)];
  await until(
    () => b.datagram.send(0, Uint8Array.of(9)),
    () => a.rejected.includes(reason),
    reason,
  );
  expect(a.heard).toEqual([]);
});

test('a key behind the first opens but does not seal, so that keys can be rotated', async () => {
  port = await freePort();
  const [a, b] = [await open(0, { keys: `${KEY_A}\n${KEY_B}` }), await open(1, { keys: `# new first\n${KEY_B}\n${KEY_A}\n` })];
  await until(
    () => a.datagram.send(1, Uint8Array.of(1)),
    () => b.heard.length > 0,
    'b hears a',
  );
  await until(
    () => b.datagram.send(0, Uint8Array.of(1)),
    () => a.heard.length > 0,
    'a hears b',
  );
});

test('datagrams that were recorded are not acted on when they are sent again to a later run', async () => {
  port = await freePort();
  const recorded: Buffer[] = [];
  const tap = createSocket('udp4').bind(port, addresses[1]);
  await once(tap, 'listening');
  tap.on('message', (bytes) => recorded.push(bytes));
  const a = await open(0);
  await until(
    () => a.datagram.send(1, Uint8Array.of(7)),
    () => recorded.length > 3,
    'something to replay',
  );
  tap.close();
  a.datagram.close();
  opened.splice(0);
  const b = await open(1);
  const replay = createSocket('udp4').bind(port, addresses[0]);
  await once(replay, 'listening');
  opened.push(replay);
  for (const bytes of recorded) replay.send(bytes, port, addresses[1]);
  await until(
    () => b.rejected.length,
    (count) => count >= 3,
    'the replay is counted',
  );
  expect(new Set(b.rejected)).toEqual(new Set(['unknown-session']));
  expect(b.heard).toEqual([]);
});

test('the last words of a run are accepted from anybody who sends them, and nothing of that run after them', async () => {
  port = await freePort();
  const [a, b] = [await open(0), await open(1)];
  await until(
    () => a.datagram.send(1, Uint8Array.of(1)),
    () => b.heard.length > 0,
    'b hears a',
  );
  const sealed = a.datagram.lastWords(1);
  const messages: unknown[] = [];
  // The first datagram may have been sent twice; it is no lease message.
  b.datagram.onReceive((from, payload) => {
    const decoded = decodeLeaseMessage(payload);
    if (decoded.ok) messages.push({ from, message: decoded.message });
  });
  const executor = createSocket('udp4').bind(0, addresses[0]);
  await once(executor, 'listening');
  opened.push(executor);
  for (const bytes of sealed) executor.send(bytes, port, addresses[1]);
  const release = { from: 0, message: { kind: 'release', round: { boot: a.boot, seq: 2 ** 48 - 1 }, term: 0 } };
  await until(
    () => messages,
    () => messages.length === sealed.length,
    'all of them are accepted',
  );
  expect(messages).toEqual(sealed.map(() => release));
  expect(sealed.length).toBeGreaterThan(1);
  b.rejected.length = 0;
  for (let i = 0; i < 100; i++) a.datagram.send(1, Uint8Array.of(2));
  await until(
    () => b.rejected,
    (rejected) => rejected.length === 100,
    'later datagrams are refused',
  );
  expect(new Set(b.rejected)).toEqual(new Set(['replayed']));
  expect(messages).toHaveLength(sealed.length);
});

test.each([
  ['can be read by others', KEY_A, 0o644, /can be read by others than its owner/],
  ['holds something else', 'secret', 0o600, /:1: not a key: expected 64 hexadecimal digits/],
  ['is empty', '\n', 0o600, /holds no key/],
])('a key file that %s is refused, and the error shows nothing of it', (_, text, mode, message) => {
  const read = () => readKeyFile(keyFile(text, mode));
  expect(read).toThrow(message);
  expect(read).not.toThrow(/secret|aaaa/);
});

test('a port that is taken is named', async () => {
  port = await freePort();
  await open(0);
  await expect(open(0)).rejects.toMatchObject({ code: 'agent_port_in_use' });
});
