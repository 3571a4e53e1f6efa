/** What a message of the peer does to its connection: RFC 4271 sections 6 and 8.2.2. */
import { ByteReader } from '../../base/bytes.ts';
import { advertise, refresh } from './advertise.ts';
import { multiprotocolBytes, offeredFamilies } from './capability.ts';
import { isInternal } from './config.ts';
import { end, loserOf, send, stopConnecting } from './connection.ts';
import { readFamily } from './family.ts';
import { type Frame, splitFrames } from './frame.ts';
import { decodeNotification, notification, type NotificationName } from './notification.ts';
import { decodeOpen, objectionTo, type Open } from './open.ts';
import { type Connection, type PeerState, type Session, type Turn } from './peer-state.ts';
import { decodeUpdate } from './update.ts';

/** Bytes on a connection of the peer. */
export function receive(turn: Turn, connection: Connection, bytes: Uint8Array): void {
  const { frames, rest, error } = splitFrames(connection.rest, bytes);
  connection.rest = rest;
  for (const frame of frames) {
    turn.state.counters.received[frame.kind]++;
    receiveMessage(turn, connection, frame);
    if (!isAlive(turn, connection)) return;
  }
  if (error !== undefined) end(turn, connection, { notify: error });
}

function isAlive({ state }: Turn, { id }: Connection): boolean {
  return state.connections.some((one) => one.id === id);
}

/** RFC 6608. */
const UNEXPECTED: Record<Connection['state'], NotificationName> = {
  OpenSent: 'Receive Unexpected Message in OpenSent State',
  OpenConfirm: 'Receive Unexpected Message in OpenConfirm State',
  Established: 'Receive Unexpected Message in Established State',
};

function receiveMessage(turn: Turn, connection: Connection, { kind, body }: Frame): void {
  const { state } = connection;
  if (kind === 'notification') return end(turn, connection, { notified: decodeNotification(body) });
  if (state === 'OpenSent' && kind === 'open') return receiveOpen(turn, connection, body);
  if (state === 'OpenConfirm' && kind === 'keepalive') return establish(turn, connection);
  if (state !== 'Established' || kind === 'open') {
    return end(turn, connection, { notify: notification(UNEXPECTED[state], Uint8Array.of(kindNumber(kind))) });
  }
  if (kind === 'routeRefresh') return receiveRouteRefresh(turn, connection, body);
  restartHold(turn, connection);
  if (kind === 'update') receiveUpdate(turn, connection, body);
}

/** RFC 6608 section 3: the type of the message stands in the data. */
function kindNumber(kind: Frame['kind']): number {
  return { open: 1, update: 2, notification: 3, keepalive: 4, routeRefresh: 5 }[kind];
}

function receiveOpen(turn: Turn, connection: Connection, body: Uint8Array): void {
  const { state, now } = turn;
  const read = decodeOpen(body);
  if (!read.ok) return end(turn, connection, { notify: read.notification });
  const session = negotiate(state, connection, read.value);
  const objection = objectionTo(read.value, state.config) ?? (session.families.length === 0 ? noFamily(state) : undefined);
  if (objection !== undefined) return end(turn, connection, { notify: objection });
  const loser = loserOf(state, connection, read.value);
  Object.assign(connection, { session, state: 'OpenConfirm' });
  if (loser !== connection) send(turn, connection, { kind: 'keepalive', body: new Uint8Array(0) });
  if (loser !== undefined) end(turn, loser, { notify: notification('Connection Collision Resolution') });
  if (loser === connection) return;
  // The ConnectRetryTimer ends here; what is under way may still collide.
  state.connectRetryAt = Number.POSITIVE_INFINITY;
  connection.holdAt = session.holdTimeMs === 0 ? Number.POSITIVE_INFINITY : now + session.holdTimeMs;
}

/** RFC 4271 section 4.2 (the smaller hold time), section 10 (a third of it), RFC 4760 section 8 (families both want). */
function negotiate({ config }: PeerState, { localAddress }: Connection, open: Open): Session {
  const { capabilities } = open;
  const offered = offeredFamilies(capabilities);
  const holdTimeMs = Math.min(config.holdTimeMs, open.holdTimeS * 1000);
  return {
    localAddress,
    remoteRouterId: open.routerId,
    holdTimeMs,
    keepaliveMs: holdTimeMs / 3,
    families: config.families.filter((family) => offered.includes(family)),
    fourOctetAsn: capabilities.fourOctetAsn !== undefined,
    gracefulRestart: config.gracefulRestart !== undefined && capabilities.gracefulRestart !== undefined,
    capabilities,
  };
}

/** RFC 5492 section 5: the capabilities that are missed stand in the data. */
function noFamily({ config }: PeerState) {
  return notification('Unsupported Capability', Uint8Array.from(config.families.flatMap((family) => [...multiprotocolBytes(family)])));
}

function establish(turn: Turn, connection: Connection): void {
  const { state, now, outputs } = turn;
  Object.assign(connection, { state: 'Established', establishedAt: now });
  restartHold(turn, connection);
  stopConnecting(turn);
  for (const other of state.connections.filter(({ id }) => id !== connection.id)) {
    end(turn, other, { notify: notification('Connection Collision Resolution') });
  }
  state.counters.established++;
  state.restarting = false;
  outputs.push({ kind: 'established' });
  advertise(turn);
}

/** HoldTimer: it has been heard from the peer. */
function restartHold({ now }: Turn, connection: Connection): void {
  const { holdTimeMs } = connection.session as Session;
  if (holdTimeMs > 0) connection.holdAt = now + holdTimeMs;
}

/** Nothing is imported: routes are counted, and faults judged by what RFC 7606 does with the session. */
function receiveUpdate(turn: Turn, connection: Connection, body: Uint8Array): void {
  const { config, counters } = turn.state;
  const { fourOctetAsn } = connection.session as Session;
  const decoded = decodeUpdate(body, { fourOctetAsn, internal: isInternal(config) });
  if (!decoded.ok) return end(turn, connection, { notify: decoded.notification });
  const { update, faults } = decoded;
  const { mpReach, mpUnreach } = update.attributes;
  const reached = update.announced.length + (mpReach?.prefixes.length ?? 0);
  const isWithdrawn = faults.some(({ approach }) => approach === 'treat-as-withdraw');
  counters.prefixesReceived += isWithdrawn ? 0 : reached;
  counters.prefixesWithdrawnByPeer += update.withdrawn.length + (mpUnreach?.prefixes.length ?? 0) + (isWithdrawn ? reached : 0);
  if (isWithdrawn) counters.treatedAsWithdraw++;
  counters.attributesDiscarded += faults.filter(({ approach }) => approach === 'attribute-discard').length;
  const [first] = faults;
  if (first === undefined || connection.warned) return;
  connection.warned = true;
  const warning = `an UPDATE of the peer has a fault in attribute ${first.attribute} (${first.reason}): ${first.approach} (RFC 7606)`;
  turn.outputs.push({ kind: 'warned', warning });
}

/** RFC 2918 section 4. Of a family that was not offered nothing has been announced. */
function receiveRouteRefresh(turn: Turn, connection: Connection, body: Uint8Array): void {
  const reader = new ByteReader(body);
  const afi = reader.u16();
  // The octet between is reserved; RFC 7313 gives it a meaning that was not offered.
  reader.u8();
  const family = readFamily(new ByteReader(Uint8Array.of(afi >> 8, afi & 0xff, reader.u8())));
  if (family !== undefined) refresh(turn, connection, family);
}
