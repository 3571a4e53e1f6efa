import type { AdvertisementDeclined, HeardFrom, LostReason, VirtualRouterOutput, VirtualRouterState, VrrpWarning } from './state.ts';

/** One step of the virtual router: a copy of its state, to be changed, and what it asks for. */
export interface Turn {
  readonly now: number;
  readonly state: VirtualRouterState;
  readonly outputs: VirtualRouterOutput[];
}

const WARNING_GAP_MS = 60_000;

export function hasHeld({ state }: Turn): boolean {
  return state.holdUntil !== Number.NEGATIVE_INFINITY;
}

export function lose(turn: Turn, reason: LostReason, by?: { from: string; priority: number }): void {
  const { state, outputs } = turn;
  const held = hasHeld(turn);
  Object.assign(state, { holdUntil: Number.NEGATIVE_INFINITY, announceAt: [], advertiseAt: Number.POSITIVE_INFINITY });
  if (held) outputs.push({ kind: 'withdraw' }, { kind: 'lost', reason, ...(by && { by }) });
}

export function advertise({ state, now, outputs }: Turn): void {
  state.advertiseAt = now + state.config.advertiseIntervalMs;
  outputs.push({ kind: 'send', priority: state.priority, at: now });
}

export function announce({ state, now, outputs }: Turn): void {
  state.announcedAt = now;
  outputs.push({ kind: 'announce' });
}

export function warn({ state, now, outputs }: Turn, warning: VrrpWarning): void {
  const last = state.warnedAt[warning.kind];
  if (last !== undefined && now < last + WARNING_GAP_MS) return;
  state.warnedAt = { ...state.warnedAt, [warning.kind]: now };
  outputs.push({ kind: 'warned', warning });
}

export function decline({ outputs }: Turn, { link, from }: HeardFrom, reason: AdvertisementDeclined): void {
  outputs.push({ kind: 'declined', reason, link, from });
}
