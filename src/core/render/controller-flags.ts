import type { Flag } from './flags.ts';

/**
 * client-go's defaults, said so that they can be seen: the others take over when the record has not changed for the lease's duration, the leader gives up
 * after the deadline, which is shorter, and tries again each period (client-go, tools/leaderelection).
 */
export function leaderElectionFlags(): Flag[] {
  return [
    {
      name: 'leader-elect-lease-duration',
      value: '15s',
      why: 'The defaults, said so that they can be seen: another host takes over when the leader has not renewed its Lease for\n15 s; the leader itself stops after 10 s. Change all three together, and keep this order of size.',
    },
    { name: 'leader-elect-renew-deadline', value: '10s' },
    { name: 'leader-elect-retry-period', value: '2s' },
  ];
}
