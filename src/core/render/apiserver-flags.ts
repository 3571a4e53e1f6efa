/** What kube-apiserver is told for high availability and security, whatever sets it up (kubernetes.io, "kube-apiserver"). */
import type { Cluster } from '../cluster/schema.ts';
import type { Flag } from './flags.ts';
import { kubernetesMinor } from './release.ts';

/** Longer than any balancer takes to hear of it: hale's own looks twice a second, HAProxy's check takes 6 s with its defaults. */
const SHUTDOWN_DELAY_SECONDS = 15;
const WATCH_TERMINATION_SECONDS = 10;
/** What is under way may end after that; then it is killed. */
const STOP_SPARE_SECONDS = 35;
/** From SIGTERM to SIGKILL. */
export const APISERVER_STOP_SECONDS = SHUTDOWN_DELAY_SECONDS + WATCH_TERMINATION_SECONDS + STOP_SPARE_SECONDS;

/** The first release with `--shutdown-watch-termination-grace-period`. */
const WATCH_TERMINATION_MINOR = 27;

/** It leaves so that no client notices. */
export function drainFlags(cluster: Cluster): Flag[] {
  return [
    {
      name: 'shutdown-delay-duration',
      value: `${SHUTDOWN_DELAY_SECONDS}s`,
      why: 'After SIGTERM it serves on for so long while /readyz says no: longer than a balancer takes to notice.',
    },
    {
      name: 'shutdown-send-retry-after',
      value: 'true',
      why: 'Who still asks in that time is told to ask again, and meets another API server.',
    },
    ...(kubernetesMinor(cluster) < WATCH_TERMINATION_MINOR
      ? []
      : [
          {
            name: 'shutdown-watch-termination-grace-period',
            value: `${WATCH_TERMINATION_SECONDS}s`,
            why: 'Watches are ended over this time, so that they do not all come back at once.',
          },
        ]),
  ];
}

/** Clients with one HTTP/2 connection for all stay where they are until asked to open another; alone, there is nowhere else. */
export function spreadFlags({ controlPlane }: Cluster): Flag[] {
  if (controlPlane.hosts.length === 1) return [];
  return [
    {
      name: 'goaway-chance',
      value: '0.001',
      why: 'One request in a thousand asks its client for a new connection. Without it all stay on the API servers that\nwere not restarted. Only where there are several.',
    },
  ];
}

/** Overload is met by API Priority and Fairness, on by default, for which the sum of the two limits is the number of seats. */
export function seatFlags(): Flag[] {
  return [
    { name: 'max-requests-inflight', value: '400', why: 'Both together are the seats that API Priority and Fairness shares out.' },
    { name: 'max-mutating-requests-inflight', value: '200' },
  ];
}

export function auditFlags(files: { policy: string; log: string }): Flag[] {
  return [
    { name: 'audit-policy-file', value: files.policy, why: 'Who did what; ten files of 100 MB, none older than 30 days.' },
    { name: 'audit-log-path', value: files.log },
    { name: 'audit-log-maxage', value: '30' },
    { name: 'audit-log-maxbackup', value: '10' },
    { name: 'audit-log-maxsize', value: '100' },
  ];
}
