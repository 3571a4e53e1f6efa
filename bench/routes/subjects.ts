/** Three hosts that announce the address by BGP to one router, BIRD on the client's host. */
import { PROBE_INTERVAL_MS } from '../../src/lab/drill/instruments.ts';
import { agentStatus } from '../../src/lab/drill/agents.ts';
import type { LabHost } from '../../src/lab/host.ts';
import type { Lab } from '../../src/lab/lab.ts';
import { type LabRouterOptions, routedSettings, startLabRouter } from '../../src/lab/router.ts';
import { untilWithin } from '../../test/support/hale.ts';
import type { LabSubject } from '../rounds.ts';

export const DRAIN_SECONDS = 5;
export const BFD_MS = 50;
const STEADY_TIMEOUT_MS = 30_000;
/** Where clients are watched for minutes: they have no more ports than for that. */
const SLOW_INTERVAL_MS = 50;

export interface RoutesSubject extends LabSubject {
  fault: 'drain' | 'crash';
  /** From the fault on. */
  observeMs: number;
  /** Between two requests. */
  intervalMs: number;
}

interface Way {
  name: string;
  fault: RoutesSubject['fault'];
  router: LabRouterOptions;
  observeMs: number;
  intervalMs?: number;
}

/** Each is watched until the router must have noticed, and for as long after as it takes to call a connection hung. */
const WAYS: readonly Way[] = [
  { name: 'drain', fault: 'drain', router: { bfdMs: BFD_MS }, observeMs: DRAIN_SECONDS * 1000 + 3000 },
  { name: `crash, BFD ${BFD_MS} ms x 3`, fault: 'crash', router: { bfdMs: BFD_MS }, observeMs: 9000 },
  { name: 'crash, hold time 3 s', fault: 'crash', router: { holdTime: 3 }, observeMs: 15_000 },
  { name: 'crash, defaults (hold time 90 s)', fault: 'crash', router: {}, observeMs: 105_000, intervalMs: SLOW_INTERVAL_MS },
];

export const SUBJECTS: readonly RoutesSubject[] = WAYS.flatMap((way) =>
  (['dsr', 'nat'] as const).map((datapath) => subject(way, datapath)),
);

function subject({ name, fault, router, observeMs, intervalMs = PROBE_INTERVAL_MS }: Way, datapath: 'dsr' | 'nat'): RoutesSubject {
  return {
    name: `${datapath}, ${name}`,
    fault,
    observeMs,
    intervalMs,
    lab: { datapath, settings: routedSettings(router, { drainSeconds: DRAIN_SECONDS }) },
    settle: (lab) => settle(lab, router),
  };
}

/** Any will do, and always the same: the second. */
async function settle(lab: Lab, router: LabRouterOptions): Promise<LabHost> {
  await startLabRouter(lab, router);
  const look = async () => (await Promise.all(lab.controlPlane.map(whyUnsteady))).filter((reason) => reason !== undefined);
  await untilWithin(STEADY_TIMEOUT_MS, { look, wanted: (reasons) => reasons.length === 0, what: 'every host announces the address' });
  return lab.controlPlane[1] as LabHost;
}

async function whyUnsteady(host: LabHost): Promise<string | undefined> {
  const status = await agentStatus(host);
  if (status?.routes?.wanted !== 'announced') return `${host.name} announces nothing`;
  const unheard = status.members.find(({ alive }) => !alive);
  if (unheard !== undefined) return `${host.name} does not hear ${unheard.name}`;
  const down = status.backends.find(({ state }) => state !== 'ready');
  if (down !== undefined) return `${host.name} finds the API server of ${down.name} ${down.state}`;
  const bfd = status.routes.peers.find((peer) => peer.bfd !== null && peer.bfd.state !== 'Up');
  return bfd === undefined ? undefined : `BFD of ${host.name} is not up`;
}
