import { familyOf } from '../base/address.ts';
import { createVirtualRouter, holds, virtualRouter } from '../core/vrrp/router.ts';
import type {
  AdvertisementDeclined,
  VirtualRouterConfig,
  VirtualRouterInput,
  VirtualRouterLink,
  VirtualRouterOutput,
  VirtualRouterState,
} from '../core/vrrp/state.ts';
import { decodeAdvertisement, encodeAdvertisement, vrrpGroup } from '../core/vrrp/wire.ts';
import type { Clock } from '../ports/clock.ts';
import type { EndpointAddress } from '../ports/endpoint.ts';
import type { VrrpLink, VrrpPacket } from '../ports/vrrp.ts';
import { Waker } from './waker.ts';

export type VrrpEvent =
  | Extract<VirtualRouterOutput, { kind: 'became-active' | 'became-backup' | 'lost' | 'warned' }>
  | { kind: 'hold-failed'; reason: string }
  | { kind: 'withdraw-failed'; reason: string };

export interface VrrpEngineOptions {
  config: Omit<VirtualRouterConfig, 'links' | 'authType'>;
  /** Version 2: at most 8 printable ASCII characters. Anybody on the link can read it. */
  password?: string;
  /** One or two, with the shared addresses of the link's family. */
  links: readonly { link: VrrpLink; addresses: readonly string[] }[];
  clock: Clock;
  endpoint: EndpointAddress;
  onEvent: (event: VrrpEvent) => void;
}

/** Since the start. Words of RFC 8347 section 4, and of RFC 2787 for authentication. */
export interface VrrpCounters {
  activeTransitions: number;
  advertisementsReceived: number;
  advertisementsSent: number;
  advertisementsNotSent: number;
  priorityZeroReceived: number;
  priorityZeroSent: number;
  checksumErrors: number;
  versionErrors: number;
  vridErrors: number;
  ipTtlErrors: number;
  intervalErrors: number;
  invalidTypeReceived: number;
  addressListErrors: number;
  packetLengthErrors: number;
  authErrors: number;
  /** From this host's own address, or from an address that is not among the peers. */
  senderErrors: number;
}

/** Undefined: nothing is wrong with the advertisement. */
const counterOf: Record<AdvertisementDeclined, keyof VrrpCounters | undefined> = {
  'packet-length': 'packetLengthErrors',
  version: 'versionErrors',
  'other-version': 'versionErrors',
  type: 'invalidTypeReceived',
  checksum: 'checksumErrors',
  'virtual-router-id': 'vridErrors',
  'other-virtual-router': 'vridErrors',
  'no-addresses': 'addressListErrors',
  'other-addresses': 'addressListErrors',
  interval: 'intervalErrors',
  'other-interval': 'intervalErrors',
  'auth-type': 'authErrors',
  'auth-password': 'authErrors',
  ttl: 'ipTtlErrors',
  'own-address': 'senderErrors',
  'unknown-peer': 'senderErrors',
  initialize: undefined,
  'lower-priority': undefined,
};

/** Feeds the virtual router from clock and links, and carries out what it decides. */
export class VrrpEngine {
  readonly #options: VrrpEngineOptions;
  readonly #queue: VirtualRouterInput[] = [];
  readonly #waker: Waker;
  readonly #counters = noCounts();
  #state: VirtualRouterState;
  #lastError: string | undefined;
  #busy = false;
  #stopped = false;

  /** With priority 0: it does nothing until `setPriority`. */
  constructor(options: VrrpEngineOptions) {
    const { clock, links, config, password } = options;
    this.#options = options;
    this.#waker = new Waker(clock, () => this.#input({ kind: 'tick' }));
    const authType = password === undefined ? 'none' : 'simple-text';
    this.#state = createVirtualRouter({ ...config, authType, links: links.map(routerLink) }, clock.now());
    for (const [index, { link }] of links.entries()) link.onReceive((packet) => this.#receive(index, packet));
  }

  get state(): VirtualRouterState {
    return this.#state;
  }

  /** Whether this host may answer for the addresses now: asked of the clock, so that it is right also after a freeze. */
  get holds(): boolean {
    return holds(this.#state, this.#options.clock.now());
  }

  get counters(): Readonly<VrrpCounters> {
    return this.#counters;
  }

  /** What last could not be sent, held or withdrawn, and why; undefined when all could. */
  get lastError(): string | undefined {
    return this.#lastError;
  }

  /** 1 to 254, 255 for the owner of the addresses, 0 when this host must not hold them. May be said again and again. */
  setPriority(priority: number): void {
    if (priority !== this.#state.priority) this.#input({ kind: 'priority', priority });
  }

  /** Resigns, so that a backup takes over within its skew time, and stays out. */
  shutdown(): void {
    this.#input({ kind: 'shutdown' });
  }

  /** No more timers and messages. Does not resign: `shutdown` first. */
  stop(): void {
    this.#stopped = true;
    this.#waker.cancel();
    for (const { link } of this.#options.links) link.close();
  }

  #receive(index: number, { from, to, ttl, bytes }: VrrpPacket): void {
    const { password } = this.#options;
    const decoded = decodeAdvertisement(bytes, { from, to, password });
    const heard = { link: index, from, to, ttl };
    if (!decoded.ok) {
      const { ok: _, ...rest } = decoded;
      return this.#input({ kind: 'malformed', ...rest, ...heard });
    }
    const { message, checksumForm } = decoded;
    this.#input({ kind: 'advertisement', message, checksumForm, ...heard });
  }

  #input(input: VirtualRouterInput): void {
    if (this.#stopped) return;
    this.#queue.push(input);
    if (this.#busy) return;
    this.#busy = true;
    try {
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) this.#step(next);
    } finally {
      this.#busy = false;
    }
    if (!this.#stopped) this.#waker.arm(virtualRouter.wakeAt(this.#state));
  }

  #step(input: VirtualRouterInput): void {
    const { state, outputs } = virtualRouter.step(this.#state, input, this.#options.clock.now());
    this.#state = state;
    this.#count(input, outputs);
    // What comes after a hold that failed would tell of one that is there.
    outputs.every((output) => this.#carryOut(output));
  }

  /** False when the address could not be held. */
  #carryOut(output: VirtualRouterOutput): boolean {
    const { endpoint, onEvent } = this.#options;
    switch (output.kind) {
      case 'send': {
        const { ok, reason } = this.#send(output.priority);
        // Before anything else that waits, as the lease begins with it.
        this.#queue.unshift({ kind: 'sent', at: output.at, ok, reason });
        return true;
      }
      case 'hold': {
        const effect = endpoint.hold(output.until);
        if (effect.ok) return true;
        this.#lastError = effect.reason;
        onEvent({ kind: 'hold-failed', reason: effect.reason });
        this.#queue.unshift({ kind: 'hold-failed', reason: effect.reason });
        return false;
      }
      case 'withdraw': {
        const effect = endpoint.withdraw();
        if (effect.ok) return true;
        this.#lastError = effect.reason;
        onEvent({ kind: 'withdraw-failed', reason: effect.reason });
        return true;
      }
      case 'announce':
        endpoint.announce();
        return true;
      case 'declined':
        return true;
      default:
        if (output.kind === 'became-active') this.#counters.activeTransitions++;
        onEvent(output);
        return true;
    }
  }

  /** `ok` when it went out on a link to anybody. */
  #send(priority: number): { ok: boolean; reason: string | undefined } {
    const { config, links, password } = this.#options;
    const { version, virtualRouterId, checksumForm, advertiseIntervalMs: maxAdvertiseIntervalMs } = config;
    const effects = links.flatMap(({ link, addresses }) =>
      link.destinations.map((to) => {
        const message = { version, virtualRouterId, priority, maxAdvertiseIntervalMs, addresses };
        return link.send({ to, bytes: encodeAdvertisement(message, { from: link.source, to, password, checksumForm }) });
      }),
    );
    const reasons = effects.flatMap((effect) => (effect.ok ? [] : [effect.reason]));
    const sent = effects.length - reasons.length;
    this.#counters.advertisementsSent += sent;
    if (priority === 0) this.#counters.priorityZeroSent += sent;
    this.#counters.advertisementsNotSent += reasons.length;
    this.#lastError = reasons[0];
    return { ok: sent > 0, reason: reasons.length === 0 ? undefined : reasons.join('; ') };
  }

  #count(input: VirtualRouterInput, outputs: readonly VirtualRouterOutput[]): void {
    const counters = this.#counters;
    if (input.kind !== 'advertisement' && input.kind !== 'malformed') return;
    const declined = outputs.find((output) => output.kind === 'declined');
    const counter = declined && counterOf[declined.reason];
    if (counter !== undefined) {
      counters[counter]++;
      return;
    }
    counters.advertisementsReceived++;
    if (input.kind === 'advertisement' && input.message.priority === 0) counters.priorityZeroReceived++;
  }
}

function routerLink({ link, addresses }: { link: VrrpLink; addresses: readonly string[] }): VirtualRouterLink {
  const family = familyOf(link.source);
  const toGroup = link.destinations.length === 1 && link.destinations[0] === vrrpGroup[family];
  return { family, source: link.source, addresses, ...(!toGroup && { peers: link.destinations }) };
}

function noCounts(): VrrpCounters {
  return {
    activeTransitions: 0,
    advertisementsReceived: 0,
    advertisementsSent: 0,
    advertisementsNotSent: 0,
    priorityZeroReceived: 0,
    priorityZeroSent: 0,
    checksumErrors: 0,
    versionErrors: 0,
    vridErrors: 0,
    ipTtlErrors: 0,
    intervalErrors: 0,
    invalidTypeReceived: 0,
    addressListErrors: 0,
    packetLengthErrors: 0,
    authErrors: 0,
    senderErrors: 0,
  };
}
