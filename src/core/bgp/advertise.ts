/** Adj-RIB-Out of one peer: sends the difference between what it knows and what it should know (RFC 4271 section 9.2, RFC 4724 section 2, RFC 2918 section 4). */
import type { Family } from '../../base/address.ts';
import { send, sendBytes } from './connection.ts';
import { encodeFrame } from './frame.ts';
import { type Connection, establishedConnection, type Session, type Turn } from './peer-state.ts';
import { announcement, familyOfRoute, type RouteContext, whyUnannounced, withdrawal } from './route.ts';
import { encodeUpdate, endOfRib, type Update } from './update.ts';

/** Makes the peer's table equal to the routes that are wanted, as far as the session allows. Without an Established session it does nothing. */
export function advertise(turn: Turn): void {
  const { state } = turn;
  const connection = establishedConnection(state);
  if (connection === undefined || state.routes === undefined) return;
  const session = connection.session as Session;
  const context: RouteContext = { config: state.config, ...session };
  const wanted = new Map<string, Uint8Array>();
  for (const route of state.routes) {
    const update = announcement(route, context);
    if (update !== undefined) wanted.set(route.prefix, messageOf(update, session));
  }
  for (const prefix of state.announced.keys()) if (!wanted.has(prefix)) put(turn, connection, withdrawal(prefix));
  for (const [prefix, bytes] of wanted) if (!isSame(state.announced.get(prefix), bytes)) sendBytes(turn, connection, bytes);
  state.announced = wanted;
  sayUnannounced(turn, context);
  if (!state.endOfRibSent) for (const family of session.families) put(turn, connection, endOfRib(family));
  state.endOfRibSent = true;
}

/** The peer has asked for all routes of a family again. */
export function refresh(turn: Turn, connection: Connection, family: Family): void {
  for (const [prefix, bytes] of turn.state.announced) {
    if (familyOfRoute({ prefix }) === family) sendBytes(turn, connection, bytes);
  }
}

function put(turn: Turn, connection: Connection, update: Update): void {
  send(turn, connection, { kind: 'update', body: encodeUpdate(update, connection.session as Session) });
}

function messageOf(update: Update, session: Session): Uint8Array {
  return encodeFrame('update', encodeUpdate(update, session));
}

function isSame(a: Uint8Array | undefined, b: Uint8Array): boolean {
  return a !== undefined && a.length === b.length && a.every((byte, at) => byte === b[at]);
}

function sayUnannounced({ state, outputs }: Turn, context: RouteContext): void {
  const before = state.unannounced;
  state.unannounced = (state.routes ?? []).flatMap((route) => {
    const reason = whyUnannounced(route, context);
    return reason === undefined ? [] : [{ prefix: route.prefix, reason }];
  });
  for (const { prefix, reason } of state.unannounced) {
    if (before.some((one) => one.prefix === prefix && one.reason === reason)) continue;
    const why = reason === 'no-next-hop' ? 'this session has no next hop for its family' : 'its family was not negotiated';
    outputs.push({ kind: 'warned', warning: `${prefix} is not announced: ${why}` });
  }
}
