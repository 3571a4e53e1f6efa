import { createVirtualRouter, virtualRouter } from '../../../src/core/vrrp/router.ts';
import type { VirtualRouterConfig, VirtualRouterInput, VirtualRouterOutput, VirtualRouterState } from '../../../src/core/vrrp/state.ts';
import { vrrpGroup, type Advertisement } from '../../../src/core/vrrp/wire.ts';

export const US = '10.0.0.11';
export const SHARED = '10.0.0.100';

export const version3: VirtualRouterConfig = {
  version: 3,
  virtualRouterId: 7,
  advertiseIntervalMs: 1000,
  preempt: true,
  preemptDelayMs: 0,
  startupDelayMs: 0,
  unfitBelow: 0,
  authType: 'none',
  checksumForm: 'with-pseudo-header',
  links: [{ family: 'IPv4', source: US, addresses: [SHARED] }],
};

export interface Heard {
  from?: string;
  to?: string;
  link?: number;
  ttl?: number;
  message?: Partial<Advertisement>;
}

/** A virtual router that is told things, one after the other; what it sends goes out unless `unsent`. */
export class Story {
  state: VirtualRouterState;
  now = 0;
  unsent = false;
  readonly #config: VirtualRouterConfig;

  constructor(config: Partial<VirtualRouterConfig> = {}) {
    this.#config = { ...version3, ...config };
    this.state = createVirtualRouter(this.#config, 0);
  }

  tell(input: VirtualRouterInput): VirtualRouterOutput[] {
    const { state, outputs } = virtualRouter.step(this.state, input, this.now);
    this.state = state;
    const sent = outputs.filter((output) => output.kind === 'send');
    const reason = this.unsent ? 'ENETDOWN' : undefined;
    return [...outputs, ...sent.flatMap(({ at }) => this.tell({ kind: 'sent', at, ok: !this.unsent, reason }))];
  }

  hear(priority: number, { message, link = 0, ...heard }: Heard = {}): VirtualRouterOutput[] {
    const { version, virtualRouterId, advertiseIntervalMs, links, checksumForm } = this.#config;
    const { family, addresses } = links[link] as VirtualRouterConfig['links'][number];
    return this.tell({
      kind: 'advertisement',
      link,
      from: family === 'IPv4' ? '10.0.0.12' : 'fe80::12',
      to: vrrpGroup[family],
      ttl: 255,
      checksumForm: version === 3 && family === 'IPv4' ? checksumForm : undefined,
      ...heard,
      message: { version, virtualRouterId, priority, maxAdvertiseIntervalMs: advertiseIntervalMs, addresses, ...message },
    });
  }

  setPriority(priority: number): VirtualRouterOutput[] {
    return this.tell({ kind: 'priority', priority });
  }

  /** Waits until it wants to be woken, and wakes it. */
  wake(): VirtualRouterOutput[] {
    this.now = this.wakeAt;
    return this.tell({ kind: 'tick' });
  }

  get wakeAt(): number {
    return virtualRouter.wakeAt(this.state);
  }

  at(now: number): this {
    this.now = now;
    return this;
  }

  /** Wakes it whenever it wants, up to that time. */
  until(end: number): VirtualRouterOutput[] {
    const outputs: VirtualRouterOutput[] = [];
    while (this.wakeAt <= end) outputs.push(...this.wake());
    this.now = end;
    return outputs;
  }
}

/** In backup since time 0. */
export function backup(config: Partial<VirtualRouterConfig> = {}, priority = 100): Story {
  const story = new Story(config);
  story.setPriority(priority);
  return story;
}

/** Active since the moment that `now` is. */
export function active(config: Partial<VirtualRouterConfig> = {}, priority = 100): Story {
  const story = backup(config, priority);
  while (story.state.phase !== 'active') story.wake();
  return story;
}

/** Outputs in a word each, with what tells them apart. */
export function words(outputs: readonly VirtualRouterOutput[]): string[] {
  return outputs.map((output) => {
    if (output.kind === 'send') return `send ${output.priority}`;
    if (output.kind === 'warned') return `warned ${output.warning.kind}`;
    return 'reason' in output ? `${output.kind} ${output.reason}` : output.kind;
  });
}
