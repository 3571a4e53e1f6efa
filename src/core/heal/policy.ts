import type { HealPolicy, HealRule, HealStep, HealWindow } from '../cluster/heal.ts';
import type { NodeFacts } from './facts.ts';

/** Longest silence of a kubelet that is still usual: it renews its Lease every 10 s, for 40 s (KubeletConfiguration, nodeLeaseDurationSeconds). */
export const HEARTBEAT_MS = 40_000;

/** What a host loses with the step, or may lose. The others only bring it back. */
const HARMFUL: ReadonlySet<HealStep> = new Set(['cordon', 'drain', 'power-off', 'out-of-service', 'reboot', 'replace']);
/** After one of these the host that comes back has booted anew. */
const BOOTS: ReadonlySet<HealStep> = new Set(['power-off', 'reboot', 'replace']);

export function isHarmful(step: HealStep): boolean {
  return HARMFUL.has(step);
}

export function boots(step: HealStep): boolean {
  return BOOTS.has(step);
}

/** The rules that count: those that were written, or those that `heal.rules` describes as what holds without. */
export function rulesOf({ rules }: Pick<HealPolicy, 'rules'>, { hasPower }: { hasPower: boolean }): readonly HealRule[] {
  if (rules.length > 0) return rules;
  const common = { labels: [], windows: [] };
  const fence: HealStep[] = hasPower ? ['power-off', 'out-of-service', 'power-on'] : ['drain'];
  return [
    { ...common, name: 'unreachable', when: [{ heartbeat: 'missing', forSeconds: 40 }], steps: ['cordon', ...fence] },
    {
      ...common,
      name: 'not-ready',
      when: [{ condition: 'Ready', status: ['False', 'Unknown'], forSeconds: 300 }],
      steps: hasPower ? ['cordon', 'drain', 'power-off', 'out-of-service', 'power-on'] : ['cordon', 'drain'],
    },
  ];
}

export function isFor({ labels }: HealRule, node: Pick<NodeFacts, 'labels'>): boolean {
  return labels.every(({ name, value }) => (value === undefined ? node.labels[name] !== undefined : node.labels[name] === value));
}

/** `3` or `10%` of `total`: rounded down, and at least one. */
export function countOf(limit: number | string, total: number): number {
  if (typeof limit === 'number') return limit;
  return Math.max(1, Math.floor((Number.parseInt(limit, 10) * total) / 100));
}

const MINUTE_MS = 60_000;
const DAY_MINUTES = 1440;
/** 1970-01-01 was a Thursday. */
const EPOCH_WEEKDAY = 3;
const WEEK = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;

/** Whether a moment (Unix time) is in one of the windows; always when there are none. */
export function isOpen(windows: readonly HealWindow[], wallMs: number): boolean {
  if (windows.length === 0) return true;
  const minutes = Math.floor(wallMs / MINUTE_MS);
  const [day, minute] = [Math.floor(minutes / DAY_MINUTES), minutes % DAY_MINUTES];
  return windows.some(({ days, from, to }) => {
    const [begin, end] = [minuteOf(from), minuteOf(to)];
    const beginsOn = (date: number) => days.includes(WEEK[(date + EPOCH_WEEKDAY) % 7] as (typeof WEEK)[number]);
    if (end > begin) return beginsOn(day) && minute >= begin && minute < end;
    return (beginsOn(day) && minute >= begin) || (beginsOn(day - 1) && minute < end);
  });
}

function minuteOf(clock: string): number {
  const [hours, minutes] = clock.split(':').map(Number) as [number, number];
  return hours * 60 + minutes;
}

export function windowsText(windows: readonly HealWindow[]): string {
  return windows.map(({ days, from, to }) => `${days.length === 7 ? 'daily' : days.join(' ')} ${from}-${to} UTC`).join(', ');
}
