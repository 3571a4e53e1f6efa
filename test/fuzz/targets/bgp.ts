/** What a BGP peer sends: bytes on a connection, cut anywhere, at any moment of the session. */
import { deepEqual, equal, ok } from 'node:assert/strict';
import type { BgpPeerConfig } from '../../../src/core/bgp/config.ts';
import { noCapabilities } from '../../../src/core/bgp/capability.ts';
import { encodeFrame, MESSAGE_BYTES_MAX, splitFrames } from '../../../src/core/bgp/frame.ts';
import { administrativeShutdown, encodeNotification } from '../../../src/core/bgp/notification.ts';
import { encodeOpen } from '../../../src/core/bgp/open.ts';
import { bgpPeer } from '../../../src/core/bgp/peer.ts';
import { createPeer, type PeerInput, type PeerState } from '../../../src/core/bgp/peer-state.ts';
import { decodeUpdate, encodeUpdate, type Update } from '../../../src/core/bgp/update.ts';
import { lineText } from '../refusal.ts';
import type { Target } from '../target.ts';

const NOTHING = new Uint8Array(0);
const config: BgpPeerConfig = {
  localAsn: 4_200_000_001,
  remoteAsn: 65_002,
  routerId: '10.0.0.11',
  holdTimeMs: 9000,
  connectRetryMs: 5000,
  passive: false,
  families: ['IPv4', 'IPv6'],
  nextHops: { IPv6: 'fd00::11' },
  gracefulRestart: { restartTimeS: 120, restarted: false, forwardingPreserved: true },
};
const routes = [
  { prefix: '10.0.0.100/32', communities: [7] },
  { prefix: 'fd00::100/128', communities: [] },
];

const gracefulRestart = { restarting: false, restartTimeS: 90, families: [{ family: 'IPv4' as const, forwardingPreserved: false }] };
const capabilities = {
  ...noCapabilities(),
  families: ['IPv4' as const, 'IPv6' as const],
  routeRefresh: true,
  fourOctetAsn: 65_002,
  gracefulRestart,
};
const open = encodeFrame('open', encodeOpen({ asn: 65_002, holdTimeS: 9, routerId: '10.0.0.1', capabilities }));
const keepalive = encodeFrame('keepalive', NOTHING);
const update: Update = {
  withdrawn: ['10.2.0.0/16'],
  attributes: {
    origin: 'IGP',
    asPath: [{ kind: 'AS_SEQUENCE', asns: [65_002, 65_003] }],
    nextHop: '10.0.0.1',
    med: 1,
    localPreference: 100,
    communities: [1, 2],
    mpReach: { family: 'IPv6', nextHop: 'fd00::1', linkLocal: 'fe80::1', prefixes: ['fd01::/64'] },
    mpUnreach: { family: 'IPv6', prefixes: ['fd02::/64'] },
  },
  announced: ['10.1.0.0/16'],
};
const updateBody = encodeUpdate(update, { fourOctetAsn: true });
const refresh = encodeFrame('routeRefresh', Uint8Array.of(0, 1, 0, 1));
const goodbye = encodeFrame('notification', encodeNotification(administrativeShutdown('bye')));

/** Two bytes before each piece say on which connection it comes, and what else happens before. */
const PIECE = 0xb7;
const join = (...parts: readonly Uint8Array[]) => Uint8Array.from(parts.flatMap((part) => [...part]));
const first = Uint8Array.of(0, 0);
const second = Uint8Array.of(1, 0);

/** Each of these stands for one byte of the input. */
const HAPPENINGS: readonly (PeerInput | 'connected' | 'accepted' | 'wait')[] = [
  { kind: 'tick' },
  'accepted',
  'connected',
  'wait',
  { kind: 'connect-failed', reason: 'refused' },
  { kind: 'closed', connection: 1, reason: 'reset' },
  { kind: 'closed', connection: 2, reason: 'reset' },
  { kind: 'routes', routes },
  { kind: 'routes', routes: [] },
  { kind: 'bfd', state: 'up' },
  { kind: 'bfd', state: 'down' },
  { kind: 'stop', message: 'bye', restarting: false },
  { kind: 'stop', message: 'bye', restarting: true },
  { kind: 'start' },
];

const peerTarget: Target = {
  name: 'bgp',
  property:
    'whatever a peer sends and whenever, its machine takes it, stays consistent, and sends whole messages on connections that are open',
  seeds: [
    join(first, open, keepalive),
    join(first, open, keepalive, encodeFrame('update', updateBody), refresh, goodbye),
    join(second, open, Uint8Array.of(PIECE, 0), open, Uint8Array.of(PIECE, 0), keepalive),
    join(first, open, keepalive, Uint8Array.of(PIECE, 11), open),
    join(Uint8Array.of(0, 3), open, Uint8Array.of(PIECE, 8), keepalive),
  ],
  maxLength: 400,
  run(input) {
    const play = new Play();
    for (const [connection, happening, bytes] of piecesOf(input)) {
      play.happen(HAPPENINGS[happening % HAPPENINGS.length] as (typeof HAPPENINGS)[number]);
      play.input({ kind: 'received', connection: 1 + (connection % 4), bytes });
    }
  },
};

/** The input at each byte 0xb7, which the seeds have nowhere else: what happens first is the byte after it. */
function* piecesOf(input: Uint8Array): Generator<[connection: number, happening: number, bytes: Uint8Array]> {
  let [connection, happening, at] = [input[0] ?? 0, input[1] ?? 0, 2];
  for (let i = 2; i <= input.length; i++) {
    if (i < input.length && input[i] !== PIECE) continue;
    yield [connection, happening, input.slice(at, i)];
    connection += 1;
    happening = input[i + 1] ?? 0;
    at = i + 2;
    i += 1;
  }
}

class Play {
  #state: PeerState = createPeer({ config, seed: 3, now: 0 });
  #now = 0;
  #lastId = 0;
  readonly #open = new Set<number>();

  constructor() {
    this.input({ kind: 'start' });
    this.input({ kind: 'routes', routes });
    this.happen('connected');
    this.happen('accepted');
  }

  happen(happening: (typeof HAPPENINGS)[number]): void {
    if (happening === 'wait') {
      this.#now = Math.max(this.#now, Math.min(bgpPeer.wakeAt(this.#state), this.#now + 300_000));
      this.input({ kind: 'tick' });
    } else if (happening === 'connected' || happening === 'accepted') {
      const id = ++this.#lastId;
      this.#open.add(id);
      this.input({ kind: happening, connection: { id, localAddress: '10.0.0.11' } });
    } else this.input(happening);
  }

  input(input: PeerInput): void {
    if (input.kind === 'closed') this.#open.delete(input.connection);
    const { state, outputs } = bgpPeer.step(this.#state, input, this.#now);
    this.#state = state;
    for (const output of outputs) {
      if (output.kind === 'send') {
        ok(this.#open.has(output.connection), 'sends on an open connection');
        const { frames, rest, error } = splitFrames(NOTHING, output.bytes);
        ok(frames.length === 1 && rest.length === 0 && error === undefined, 'sends one whole message');
      }
      if (output.kind === 'close') ok(this.#open.delete(output.connection), 'closes an open connection, once');
      if (output.kind === 'down' || output.kind === 'failed') lineText(output.error.text);
      if (output.kind === 'warned') lineText(output.warning);
    }
    this.#check();
  }

  #check(): void {
    const { connections, fsm, announced, started, connecting, idleHoldUntil } = this.#state;
    deepEqual(new Set(connections.map(({ id }) => id)), this.#open, 'the machine knows the connections that are open');
    ok(connections.filter(({ state }) => state !== 'OpenSent').length <= 1, 'one connection beyond OpenSent');
    equal(
      fsm === 'Established',
      connections.some(({ state }) => state === 'Established'),
    );
    ok(fsm === 'Established' || announced.size === 0, 'nothing is announced without a session');
    ok(started || (fsm === 'Idle' && connections.length === 0), 'stopped is Idle');
    ok(idleHoldUntil === Number.POSITIVE_INFINITY || (connections.length === 0 && !connecting), 'nothing happens while it is held in Idle');
    ok(bgpPeer.wakeAt(this.#state) > this.#now, 'no timer is left over');
    for (const { rest, state, session } of connections) {
      ok(rest.length < MESSAGE_BYTES_MAX, 'less than a message is kept');
      equal(session === undefined, state === 'OpenSent');
    }
  }
}

const updateTarget: Target = {
  name: 'bgp-update',
  property: 'an UPDATE is read as a value; what is read without a fault is written and read as the same',
  seeds: [updateBody, encodeUpdate({ withdrawn: [], attributes: {}, announced: [] }, { fourOctetAsn: true })],
  maxLength: 300,
  run(input) {
    const [choice = 0] = input;
    const context = { fourOctetAsn: (choice & 1) === 0, internal: (choice & 2) === 0 };
    const decoded = decodeUpdate(input.subarray(choice > 3 ? 1 : 0), context);
    if (!decoded.ok) return void equal(decoded.notification.code, 3);
    if (decoded.faults.length > 0) return;
    deepEqual(decodeUpdate(encodeUpdate(decoded.update, context), context), decoded);
  },
};

export const bgpTargets: readonly Target[] = [peerTarget, updateTarget];
