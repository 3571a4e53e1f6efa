/** Connections of one peer: how they begin and end, and which of two stays (RFC 4271 sections 6.8 and 8.2.1). */
import { ipBytes } from '../../base/address.ts';
import { ByteReader } from '../../base/bytes.ts';
import { encodeFrame, kindOf, type MessageKind } from './frame.ts';
import { describeNotification, encodeNotification, isCollisionResolution, type Notification, notification } from './notification.ts';
import { encodeOpen, twoOctets } from './open.ts';
import {
  type BgpError,
  type Connection,
  establishedConnection,
  IDLE_HOLD_MS,
  jittered,
  type NewConnection,
  type PeerState,
  type Turn,
} from './peer-state.ts';

/** RFC 4271 section 8.2.2: until the peer's OPEN says another. */
const LARGE_HOLD_MS = 240_000;
const IDLE_HOLD_MAX_MS = 60_000;
/** A session that lasted this long was none that oscillates. */
const STEADY_MS = 60_000;

/** What ended a connection. */
export type Ending = { notify: Notification } | { notified: Notification } | { lost: string; closed: boolean };

export function send(turn: Turn, connection: Connection, message: { kind: MessageKind; body: Uint8Array }): void {
  sendBytes(turn, connection, encodeFrame(message.kind, message.body));
}

/** A whole message. */
export function sendBytes(turn: Turn, connection: Connection, bytes: Uint8Array): void {
  const kind = kindOf(bytes);
  turn.state.counters.sent[kind]++;
  turn.outputs.push({ kind: 'send', connection: connection.id, bytes });
  // RFC 4271 section 8.2.2: the peer has heard from here; the KeepaliveTimer begins anew.
  const keepaliveMs = connection.session?.keepaliveMs ?? 0;
  if (keepaliveMs > 0 && (kind === 'keepalive' || kind === 'update')) connection.keepaliveAt = turn.now + jittered(turn, keepaliveMs);
}

/** TcpConnectionConfirmed or Tcp_CR_Acked: an OPEN is sent. */
export function open(turn: Turn, given: NewConnection, origin: Connection['origin']): void {
  const { state, now } = turn;
  const { config, restarting } = state;
  const { localAsn, holdTimeMs, routerId, families, gracefulRestart } = config;
  const connection: Connection = {
    id: given.id,
    origin,
    state: 'OpenSent',
    localAddress: given.localAddress,
    rest: new Uint8Array(0),
    holdAt: now + LARGE_HOLD_MS,
    keepaliveAt: Number.POSITIVE_INFINITY,
    session: undefined,
    establishedAt: Number.POSITIVE_INFINITY,
    warned: false,
  };
  state.connections.push(connection);
  const capabilities = {
    families: [...families],
    otherFamilies: 0,
    routeRefresh: true,
    fourOctetAsn: localAsn,
    gracefulRestart: gracefulRestart && {
      restarting,
      restartTimeS: gracefulRestart.restartTimeS,
      families: families.map((family) => ({ family, forwardingPreserved: gracefulRestart.forwardingPreserved })),
    },
    unknown: [],
  };
  const message = { asn: twoOctets(localAsn), holdTimeS: holdTimeMs / 1000, routerId, capabilities };
  send(turn, connection, { kind: 'open', body: encodeOpen(message) });
}

/** Ends a connection; what follows for the peer is said, unless another connection of it lives on. */
export function end(turn: Turn, connection: Connection, ending: Ending): void {
  const { state, outputs, now } = turn;
  if ('notify' in ending) send(turn, connection, { kind: 'notification', body: encodeNotification(ending.notify) });
  if (!('lost' in ending && ending.closed)) outputs.push({ kind: 'close', connection: connection.id });
  state.connections = state.connections.filter(({ id }) => id !== connection.id);
  const given = 'notify' in ending ? ending.notify : 'notified' in ending ? ending.notified : undefined;
  const isCollision = given !== undefined && isCollisionResolution(given);
  if (isCollision) state.counters.collisions++;
  const error = errorOf(ending);
  const wasEstablished = connection.state === 'Established';
  // That one of two connections had to go is no error.
  if (wasEstablished || !isCollision) {
    state.lastError = error;
    outputs.push({ kind: wasEstablished ? 'down' : 'failed', error });
  }
  if (wasEstablished) {
    Object.assign(state, { announced: new Map(), unannounced: [], endOfRibSent: false });
    if (now - connection.establishedAt >= STEADY_MS) state.idleHoldMs = IDLE_HOLD_MS;
  }
  if (!state.started) return;
  if (state.connections.length > 0) return void retryBeside(turn);
  // TcpConnectionFails in OpenSent: the peer may connect meanwhile (RFC 4271 section 8.2.2); all else is held in Idle.
  if ('lost' in ending && connection.state === 'OpenSent') retryLater(turn);
  else hold(turn);
}

function errorOf(ending: Ending): BgpError {
  if ('lost' in ending) return { notification: 'none', text: `TcpConnectionFails: ${ending.lost}` };
  const given = 'notify' in ending ? ending.notify : ending.notified;
  const { code, subcode } = given;
  return { notification: 'notify' in ending ? 'sent' : 'received', code, subcode, text: describeNotification(given) };
}

/** Idle for a while, and longer each time (DampPeerOscillations). */
function hold(turn: Turn): void {
  const { state, now } = turn;
  stopConnecting(turn);
  state.idleHoldUntil = now + jittered(turn, state.idleHoldMs);
  state.idleHoldMs = Math.min(state.idleHoldMs * 2, IDLE_HOLD_MAX_MS);
}

/** Active, until ConnectRetryTimer expires. */
function retryLater(turn: Turn): void {
  const { state, now } = turn;
  if (!state.config.passive && !state.connecting) state.connectRetryAt = now + jittered(turn, state.config.connectRetryMs);
}

/** Beside connections whose peer has said nothing yet, one is tried on. */
export function retryBeside(turn: Turn): void {
  if (turn.state.connections.every(({ state }) => state === 'OpenSent')) retryLater(turn);
}

/** Connect. A connection that is still being made is given up first. */
export function connect(turn: Turn): void {
  const { state, outputs, now } = turn;
  if (state.config.passive) return;
  if (state.connecting) outputs.push({ kind: 'cancel-connect' });
  state.connecting = true;
  state.counters.connectAttempts++;
  outputs.push({ kind: 'connect' });
  state.connectRetryAt = now + jittered(turn, state.config.connectRetryMs);
}

export function stopConnecting({ state, outputs }: Turn): void {
  if (state.connecting) outputs.push({ kind: 'cancel-connect' });
  state.connecting = false;
  state.connectRetryAt = Number.POSITIVE_INFINITY;
}

/** The peer has connected. */
export function accept(turn: Turn, given: NewConnection): void {
  const { state, outputs } = turn;
  // RFC 4271 section 8.2.2: Idle refuses all incoming connections.
  if (state.fsm === 'Idle') return void outputs.push({ kind: 'close', connection: given.id });
  state.counters.accepted++;
  const established = establishedConnection(state);
  const old = state.connections.find((one) => one.origin === 'incoming' && one !== established);
  const { session } = established ?? {};
  open(turn, given, 'incoming');
  // RFC 4724 section 5: it has restarted, and the old session is over.
  if (established !== undefined && session?.gracefulRestart === true) {
    end(turn, established, { lost: 'the peer has connected anew (graceful restart)', closed: false });
  }
  // A peer that connects twice has given up the first.
  if (old !== undefined) end(turn, old, { notify: notification('Connection Collision Resolution') });
}

/** RFC 4271 section 6.8, asked when the OPEN of `connection` has come: which of two must go. */
export function loserOf(state: PeerState, connection: Connection, remote: { routerId: string }): Connection | undefined {
  const others = state.connections.filter(({ id }) => id !== connection.id);
  if (others.some((other) => other.state === 'Established')) return connection;
  const other = others.find((one) => one.state === 'OpenConfirm');
  if (other === undefined) return undefined;
  if (other.origin === connection.origin) return other;
  return connection.origin === (isLocalHigher(state, remote.routerId) ? 'outgoing' : 'incoming') ? other : connection;
}

/** RFC 6286 section 2.3: the AS numbers decide between equal identifiers. */
function isLocalHigher({ config }: PeerState, remoteRouterId: string): boolean {
  const [local, remote] = [numberOf(config.routerId), numberOf(remoteRouterId)];
  return local === remote ? config.localAsn > config.remoteAsn : local > remote;
}

function numberOf(routerId: string): number {
  return new ByteReader(ipBytes(routerId)).u32();
}
