/** One peer's machine, played by hand: a router on the other side is bytes. */
import type { BgpPeerConfig } from '../../src/core/bgp/config.ts';
import { noCapabilities, type Capabilities } from '../../src/core/bgp/capability.ts';
import { encodeFrame, type Frame, type MessageKind, splitFrames } from '../../src/core/bgp/frame.ts';
import { decodeNotification, describeNotification, encodeNotification, type Notification } from '../../src/core/bgp/notification.ts';
import { encodeOpen } from '../../src/core/bgp/open.ts';
import { bgpPeer } from '../../src/core/bgp/peer.ts';
import { createPeer, type PeerInput, type PeerOutput, type PeerState } from '../../src/core/bgp/peer-state.ts';
import { decodeUpdate, encodeUpdate, type Update } from '../../src/core/bgp/update.ts';

export const LOCAL = '192.0.2.1';
export const ROUTER_ID = '192.0.2.2';
export const config: BgpPeerConfig = {
  localAsn: 65_001,
  remoteAsn: 65_002,
  routerId: LOCAL,
  holdTimeMs: 9000,
  connectRetryMs: 5000,
  passive: false,
  families: ['IPv4'],
};

export const capabilities = (given: Partial<Capabilities> = {}): Capabilities => ({
  ...noCapabilities(),
  families: ['IPv4'],
  routeRefresh: true,
  fourOctetAsn: 65_002,
  ...given,
});

export const openFrom = (given: { asn?: number; holdTimeS?: number; routerId?: string; capabilities?: Capabilities } = {}): Uint8Array =>
  encodeFrame('open', encodeOpen({ asn: 65_002, holdTimeS: 9, routerId: ROUTER_ID, capabilities: capabilities(), ...given }));
export const KEEPALIVE = encodeFrame('keepalive', new Uint8Array(0));
export const updateFrom = (update: Partial<Update>, fourOctetAsn = true): Uint8Array =>
  encodeFrame('update', encodeUpdate({ withdrawn: [], attributes: {}, announced: [], ...update }, { fourOctetAsn }));
export const notificationFrom = (notification: Notification): Uint8Array => encodeFrame('notification', encodeNotification(notification));

/** What a machine sent on a connection, message by message. */
interface Sent extends Frame {
  connection: number;
}

export class PlayedPeer {
  state: PeerState;
  now = 0;
  /** Since the last look. */
  outputs: PeerOutput[] = [];
  #lastId = 0;

  constructor(given: Partial<BgpPeerConfig> = {}) {
    this.state = createPeer({ config: { ...config, ...given }, seed: 1, now: 0 });
  }

  input(input: PeerInput): PeerOutput[] {
    const { state, outputs } = bgpPeer.step(this.state, input, this.now);
    this.state = state;
    this.outputs.push(...outputs);
    return outputs;
  }

  /** Time passes, with a tick whenever the machine wants one. */
  wait(forMs: number): PeerOutput[] {
    const from = this.outputs.length;
    const until = this.now + forMs;
    for (let at = bgpPeer.wakeAt(this.state); at <= until; at = bgpPeer.wakeAt(this.state)) {
      this.now = Math.max(this.now, at);
      this.input({ kind: 'tick' });
    }
    this.now = until;
    return this.outputs.slice(from);
  }

  start(): this {
    this.input({ kind: 'start' });
    return this;
  }

  /** The connection under way is made. */
  connected(localAddress = LOCAL): number {
    const id = ++this.#lastId;
    this.input({ kind: 'connected', connection: { id, localAddress } });
    return id;
  }

  accepted(): number {
    const id = ++this.#lastId;
    this.input({ kind: 'accepted', connection: { id, localAddress: LOCAL } });
    return id;
  }

  receive(connection: number, ...messages: Uint8Array[]): PeerOutput[] {
    return messages.flatMap((bytes) => this.input({ kind: 'received', connection, bytes }));
  }

  /** As far as Established. */
  establish(open = openFrom()): number {
    const id = this.start().connected();
    this.receive(id, open, KEEPALIVE);
    return id;
  }

  /** All messages that were sent since the last look. */
  sent(): Sent[] {
    return messagesIn(this.outputs.splice(0));
  }
}

export function messagesIn(outputs: readonly PeerOutput[]): Sent[] {
  return outputs.flatMap((output) => {
    if (output.kind !== 'send') return [];
    const { frames, rest, error } = splitFrames(new Uint8Array(0), output.bytes);
    if (error !== undefined || rest.length > 0 || frames.length !== 1) throw new Error('a send is one whole message');
    return frames.map((frame) => ({ ...frame, connection: output.connection }));
  });
}

export const kindsIn = (outputs: readonly PeerOutput[]): MessageKind[] => messagesIn(outputs).map(({ kind }) => kind);

/** What the NOTIFICATIONs among the outputs say. */
export const notificationsIn = (outputs: readonly PeerOutput[]): string[] =>
  messagesIn(outputs).flatMap(({ kind, body }) => (kind === 'notification' ? [describeNotification(decodeNotification(body))] : []));

export function updatesIn(outputs: readonly PeerOutput[], { fourOctetAsn = true, internal = false } = {}): Update[] {
  return messagesIn(outputs).flatMap(({ kind, body }) => {
    if (kind !== 'update') return [];
    const decoded = decodeUpdate(body, { fourOctetAsn, internal });
    if (!decoded.ok || decoded.faults.length > 0) throw new Error('an UPDATE of this speaker has no fault');
    return [decoded.update];
  });
}

export const kindsOf = (outputs: readonly PeerOutput[]): PeerOutput['kind'][] => outputs.map(({ kind }) => kind);
