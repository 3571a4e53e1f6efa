import { expect, test } from 'vitest';
import { type ControlPacket, decodeControlPacket, encodeControlPacket } from '../../../src/core/bfd/packet.ts';
import { type BfdChange, BfdEngine, type BfdSessionOptions } from '../../../src/engine/bfd.ts';
import type { BfdPacket } from '../../../src/ports/bfd.ts';
import type { Effect } from '../../../src/ports/effect.ts';
import { Schedule } from '../../../src/sim/schedule.ts';
import { firstPacket } from './packets.ts';

const FAST = { transmitMs: 50, receiveMs: 50, multiplier: 3 };
const direct: BfdSessionOptions = { localAddress: '10.0.0.1', remoteAddress: '10.0.0.2', multihop: false, ...FAST };
const distant: BfdSessionOptions = { ...direct, remoteAddress: '10.9.0.2', multihop: true, minimumTtl: 250 };

/** An engine on a link whose far end is the test. */
class Bench {
  readonly schedule = new Schedule();
  readonly log: string[] = [];
  readonly sent: ControlPacket[] = [];
  readonly changes: BfdChange[] = [];
  readonly engine: BfdEngine;
  sendEffect: Effect = { ok: true };
  onChange: (change: BfdChange) => void = () => undefined;
  /** What the kernel has and nobody has read. */
  waiting: Partial<ControlPacket>[] = [];
  #handler: (packet: BfdPacket & { multihop: boolean }) => void = () => undefined;

  constructor(sessions: readonly BfdSessionOptions[]) {
    this.engine = new BfdEngine({
      clock: { now: () => this.schedule.now, at: (time, callback) => this.schedule.plan(time, callback) },
      link: {
        openSession: ({ remoteAddress }) => ({
          send: (bytes) => this.#sent(remoteAddress, bytes),
          close: () => this.log.push(`close ${remoteAddress}`),
        }),
        onReceive: (handler) => void (this.#handler = handler),
        receiveWaiting: () => {
          for (const packet of this.waiting.splice(0)) this.hear(packet);
        },
        close: () => this.log.push('close'),
      },
      sessions,
      seed: 5,
      onChange: (change) => {
        this.changes.push(change);
        this.log.push(`change ${change.state}`);
        this.onChange(change);
      },
    });
  }

  #sent(to: string, bytes: Uint8Array): Effect {
    const decoded = decodeControlPacket(bytes);
    if (!decoded.ok) throw new Error(decoded.reason);
    this.sent.push(decoded.packet);
    this.log.push(`send ${to} ${decoded.packet.state}`);
    return this.sendEffect;
  }

  /** From the first session's peer, which knows our discriminator unless it is Down. */
  hear(packet: Partial<ControlPacket>, way: Partial<BfdPacket & { multihop: boolean }> = {}): void {
    const yourDiscriminator = packet.state === undefined || packet.state === 'Down' ? 0 : (this.status.localDiscriminator ?? 0);
    const bytes = encodeControlPacket({ ...firstPacket, yourDiscriminator, ...packet });
    this.#handler({ from: '10.0.0.2', to: '10.0.0.1', ttl: 255, multihop: false, bytes, ...way });
  }

  comeUp(): void {
    this.hear({ state: 'Down' });
    this.hear({ state: 'Up', desiredMinTxUs: 50_000 });
    expect(this.status.state).toBe('Up');
    this.log.length = 0;
  }

  get status() {
    return this.engine.status()[0] as ReturnType<BfdEngine['status']>[number];
  }
}

test('RFC 5880 section 6.8.1: discriminators are not 0, no two are the same, and the seed gives them', () => {
  const peers = Array.from({ length: 200 }, (_, i) => ({ ...direct, remoteAddress: `10.0.1.${i}` }));
  const discriminators = new Bench(peers).engine.status().map(({ localDiscriminator }) => localDiscriminator);
  expect(new Set(discriminators).size).toBe(200);
  expect(discriminators).not.toContain(0);
  expect(new Bench(peers).engine.status().map(({ localDiscriminator }) => localDiscriminator)).toEqual(discriminators);
});

test('RFC 5881 section 5: a packet that has passed a router is discarded, and the status says so', () => {
  const bench = new Bench([direct]);
  bench.hear({ state: 'Down' }, { ttl: 254 });
  expect(bench.status).toMatchObject({ state: 'Down', packetsIn: 0, packetsDeclined: 1 });
  expect(bench.status.lastError).toBe(
    'packet discarded: the TTL is not 255, so the packet may come from beyond the link (RFC 5881 section 5)',
  );
  bench.hear({ state: 'Down' });
  expect(bench.status).toMatchObject({ state: 'Init', packetsIn: 1, packetsDeclined: 1 });
});

test('malformed packets and those with authentication are told of at the session that they are addressed to, others as strays', () => {
  const bench = new Bench([direct, distant]);
  bench.hear({}, { bytes: Uint8Array.of(1, 2) });
  expect(bench.status).toMatchObject({ packetsDeclined: 1, lastError: expect.stringContaining('there is no whole header') });
  const bytes = Uint8Array.of(...encodeControlPacket(firstPacket).with(1, 0x44).with(3, 26), 1, 2);
  bench.hear({}, { bytes });
  expect(bench.status).toMatchObject({ packetsIn: 1, packetsDeclined: 2, lastError: expect.stringContaining('carries authentication') });
  expect(bench.engine.strays).toEqual({ count: 0, last: undefined });
  bench.hear({}, { from: '10.0.0.66' });
  expect(bench.engine.strays).toEqual({
    count: 1,
    last: '10.0.0.66 to 10.0.0.1: packet discarded: no session has these addresses (RFC 5881 section 3)',
  });
});

test('a multihop session answers on its own port only, and not to what comes from too far', () => {
  const bench = new Bench([distant, direct]);
  const way = { from: '10.9.0.2', multihop: true };
  bench.hear({ state: 'Down' }, { ...way, ttl: 249 });
  expect(bench.status).toMatchObject({ state: 'Down', packetsDeclined: 1 });
  bench.hear({ state: 'Down' }, { ...way, ttl: 250 });
  expect(bench.status.state).toBe('Init');
  bench.hear({ state: 'Up' }, { ...way, multihop: false, ttl: 255 });
  expect(bench.status.state).toBe('Init');
});

test('what has arrived is heard before the Detection Time is judged, and nothing is read without need', () => {
  const bench = new Bench([direct]);
  bench.comeUp();
  bench.waiting.push({ state: 'Up', desiredMinTxUs: 50_000 });
  bench.schedule.runUntil(149);
  expect(bench.waiting).toHaveLength(1);
  bench.schedule.runUntil(200);
  expect(bench.status.state).toBe('Up');
  bench.schedule.runUntil(400);
  expect(bench.changes.at(-1)).toMatchObject({ state: 'Down', diagnostic: 'Control Detection Time Expired' });
});

test('the peer is told before anybody here is, who may end the session on the spot', async () => {
  const bench = new Bench([direct]);
  bench.comeUp();
  let ended: Promise<void> | undefined;
  bench.onChange = ({ session, state }) => {
    if (state === 'Down') ended = bench.engine.remove(session);
  };
  bench.hear({ state: 'Down', yourDiscriminator: bench.status.localDiscriminator });
  await ended;
  expect(bench.log).toEqual(['send 10.0.0.2 Down', 'change Down', 'send 10.0.0.2 AdminDown', 'change AdminDown', 'close 10.0.0.2']);
  expect(bench.engine.status()).toEqual([]);
});

test('a packet that could not be sent is told of, and not counted', () => {
  const bench = new Bench([direct]);
  expect(bench.status.packetsOut).toBe(1);
  bench.sendEffect = { ok: false, reason: 'send to 10.0.0.2: ENETUNREACH' };
  bench.schedule.runUntil(1000);
  expect(bench.status).toMatchObject({ packetsOut: 1, lastError: 'send to 10.0.0.2: ENETUNREACH' });
});

test('sessions come and go at run time; there are no two with the same ends', async () => {
  const bench = new Bench([direct]);
  bench.engine.add(distant);
  expect(() => bench.engine.add({ ...direct, transmitMs: 10 })).toThrow('one BFD session between 10.0.0.1 and 10.0.0.2');
  expect(bench.engine.status()).toHaveLength(2);
  await bench.engine.remove(direct);
  await bench.engine.remove(direct);
  expect(bench.engine.status()).toMatchObject([{ remoteAddress: '10.9.0.2' }]);
  await bench.engine.stop();
  expect(bench.log.slice(-2)).toEqual(['close 10.9.0.2', 'close']);
});

test('counts and diagnostics of a session that went up and down', () => {
  const bench = new Bench([direct]);
  bench.comeUp();
  expect(bench.status).toMatchObject({ timesUp: 1, timesDown: 0, lastError: undefined, transmitIntervalMs: 50, detectionTimeMs: 150 });
  bench.hear({ state: 'AdminDown', diagnostic: 7 });
  expect(bench.status).toMatchObject({
    state: 'Down',
    remoteState: 'AdminDown',
    localDiagnostic: 'Neighbor Signaled Session Down',
    remoteDiagnostic: 'Administratively Down',
    timesUp: 1,
    timesDown: 1,
    lastError: 'Neighbor Signaled Session Down',
  });
  expect(bench.changes.at(-1)).toEqual({
    session: { localAddress: '10.0.0.1', remoteAddress: '10.0.0.2', multihop: false },
    state: 'Down',
    diagnostic: 'Neighbor Signaled Session Down',
    remoteState: 'AdminDown',
  });
});

test('a peer in state AdminDown is no error of ours while we are AdminDown too', () => {
  const bench = new Bench([direct]);
  bench.comeUp();
  bench.engine.setAdministratively(direct, 'down');
  bench.hear({ state: 'Down' });
  expect(bench.status).toMatchObject({ state: 'AdminDown', packetsDeclined: 0, lastError: undefined });
  bench.engine.setAdministratively(direct, 'up');
  expect(bench.status.state).toBe('Down');
});
