import { printable } from '../../base/printable.ts';
import type { ElectionRecord } from '../election/record.ts';

/** The components of a control plane of which one instance leads, by the names of their Leases in kube-system. */
export const ELECTED_COMPONENTS = ['kube-controller-manager', 'kube-scheduler'] as const;
export type ElectedComponent = (typeof ELECTED_COMPONENTS)[number];

/** Who leads a component, from its record; times by the clock of whoever asks, against the holder's. */
export interface Leader {
  component: ElectedComponent;
  /** As the component calls itself (host name and a random part); null when the last one let go, or there never was one. */
  holder: string | null;
  /** When the holder took the lead (RFC 3339); null when nobody has. */
  since: string | null;
  renewedMsAgo: number | null;
  /** Not renewed for longer than the record lasts: whoever held it is gone, or the clocks differ by so much. */
  stale: boolean;
  /** How often it went from one holder to another. */
  transitions: number;
}

export function leaderOf(component: ElectedComponent, record: ElectionRecord | undefined, nowMs: number): Leader {
  if (record === undefined || record.holderIdentity === '') {
    return { component, holder: null, since: null, renewedMsAgo: null, stale: false, transitions: record?.leaseTransitions ?? 0 };
  }
  const renewedAtMs = Date.parse(record.renewTime);
  const renewedMsAgo = Number.isNaN(renewedAtMs) ? null : nowMs - renewedAtMs;
  return {
    component,
    holder: printable(record.holderIdentity),
    since: record.acquireTime === '' ? null : printable(record.acquireTime),
    renewedMsAgo,
    stale: renewedMsAgo === null || Math.abs(renewedMsAgo) > record.leaseDurationSeconds * 1000,
    transitions: record.leaseTransitions,
  };
}
