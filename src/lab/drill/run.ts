import { setTimeout as sleep } from 'node:timers/promises';
import { hostPort } from '../../base/address.ts';
import { HaleError } from '../../base/error.ts';
import { healthProfiles } from '../../core/balancer/timing.ts';
import { hungAfterMs } from '../../core/drill/fate.ts';
import { timingProfiles, type TimingProfile } from '../../core/lease/timing.ts';
import { measure, type Measurement } from '../../core/drill/measure.ts';
import type { DrillRecord } from '../../core/drill/record.ts';
import { type DrillResult, drillResult } from '../../core/drill/result.ts';
import type { Scenario } from '../../core/drill/scenario.ts';
import type { InjectedFault } from '../faults/inject.ts';
import { describeApiserver, type Lab } from '../lab.ts';
import { datapathOf } from '../plan.ts';
import { isRouted } from '../router.ts';
import { agentStatus, awaitSteady } from './agents.ts';
import { handOversOf } from './hand-overs.ts';
import { PROBE_INTERVAL_MS, startInstruments } from './instruments.ts';
import { findPace } from './pace.ts';

const STEADY_TIMEOUT_MS = 30_000;
/** A real API server takes ten times a stand-in's CPU time for a handshake: with more, two cores would show nothing but themselves. */
const CONNECTIONS = { standIn: 300, real: 100 };
/** What the rig shows without a fault is judged with it, so it is looked at for about as long: most drills are watched for 9 s. */
const QUIET_MS = 9000;
/** How long after the planned undo the timer on the host would undo by itself, should this process be gone. */
const TIMER_SPARE_MS = 5000;

export interface DrillOptions {
  connections?: number;
  /** Time between requests, and so the resolution of the outage; `findPace` chooses when it is not given. */
  intervalMs?: number;
  progress?: (line: string) => void;
  signal?: AbortSignal;
}

export interface Drill {
  result: DrillResult;
  record: DrillRecord;
  measurement: Measurement;
}

/** Runs one scenario on a lab: steady state, instruments, fault, observation, undo, verdict. The fault is undone also when this fails. */
export async function runDrill(lab: Lab, scenario: Scenario, options: DrillOptions = {}): Promise<Drill> {
  refuseRouted(lab);
  const restore = await lab.prepare(scenario.fault);
  try {
    return await runPrepared(lab, scenario, options);
  } finally {
    await restore();
  }
}

function refuseRouted({ plan }: Lab): void {
  if (!isRouted(plan)) return;
  throw new HaleError({
    code: 'drill_needs_holder',
    kind: 'usage',
    message: `a drill strikes the host that holds the address, but in lab ${plan.name} every host announces it`,
    remedy: 'break it by hand with hale lab fault, or measure with npm run bench -- routes; drills run on a lab without --advertise bgp',
  });
}

async function runPrepared(lab: Lab, scenario: Scenario, options: DrillOptions): Promise<Drill> {
  const { progress = () => undefined, signal } = options;
  const holder = await awaitSteady(lab, { timeoutMs: STEADY_TIMEOUT_MS });
  const target = scenario.target === 'holder' ? holder : (lab.controlPlane.find((host) => host.name !== holder.name) ?? holder);
  const datapath = (await agentStatus(holder))?.datapath.datapath ?? datapathOf(lab.plan);
  progress(`${holder.name} holds ${lab.plan.endpoint.addresses.join(' and ')}, datapath ${datapath}`);
  const isReal = 'programs' in lab.plan.kubernetes;
  const connections = options.connections ?? (isReal ? CONNECTIONS.real : CONNECTIONS.standIn);
  const intervalMs = options.intervalMs ?? (await paceOf(lab, progress));
  const instruments = await startInstruments(lab, { connections, intervalMs, fleet: isReal });
  let injected: InjectedFault | undefined;
  try {
    await sleep(isReal ? Math.max(QUIET_MS, scenario.warmUpMs) : scenario.warmUpMs, undefined, { ...(signal && { signal }) });
    const startedAt = new Date().toISOString();
    progress(`${scenario.name}: ${scenario.description} (${target.name})`);
    injected = await lab.inject(scenario.fault, target.name, { undoAfterMs: scenario.undoAfterMs + TIMER_SPARE_MS });
    await sleep(scenario.undoAfterMs, undefined, { ...(signal && { signal }) });
    progress(`undoing ${scenario.name} on ${target.name}`);
    const undoMs = lab.now();
    await injected.undo();
    await sleep(scenario.observeMs - scenario.undoAfterMs, undefined, { ...(signal && { signal }) });
    const record: DrillRecord = {
      course: {
        datapath,
        struck: injected.record.struck,
        handOvers: handOversOf(lab, { sinceMs: injected.record.injectedAtMs }),
        hungAfterMs: hungAfterMs(scenario.fault, healthProfiles[lab.plan.profile as TimingProfile]),
      },
      ...(await instruments.stop()),
      marks: [
        { timeMs: injected.record.injectedAtMs, label: `${scenario.fault} ${target.name}`, kind: 'fault' },
        { timeMs: undoMs, label: 'undo', kind: 'undo' },
      ],
    };
    return conclude(lab, { scenario, record, startedAt, intervalMs });
  } finally {
    await instruments.abandon();
    await injected?.undo();
  }
}

async function paceOf(lab: Lab, progress: (line: string) => void): Promise<number> {
  const { intervalMs, takesMs } = await findPace(lab);
  if (intervalMs > PROBE_INTERVAL_MS) progress(`a request takes ${takesMs.toFixed(1)} ms on this machine, so one every ${intervalMs} ms`);
  return intervalMs;
}

function conclude(lab: Lab, seen: { scenario: Scenario; record: DrillRecord; startedAt: string; intervalMs: number }): Drill {
  const { scenario, record, startedAt, intervalMs } = seen;
  const measurement = measure(record);
  const { profile, endpoint } = lab.plan;
  const result = drillResult(
    {
      scenario,
      endpoint: hostPort(endpoint.addresses[0] as string, endpoint.port),
      apiserver: describeApiserver(lab.plan),
      profile,
      leaseMs: timingProfiles[profile as TimingProfile].leaseMs,
      startedAt,
      requestEveryMs: intervalMs,
      report: null,
    },
    measurement,
  );
  return { result, record, measurement };
}
