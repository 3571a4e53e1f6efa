import { setTimeout as sleep } from 'node:timers/promises';
import { hostPort } from '../../base/address.ts';
import { timingProfiles, type TimingProfile } from '../../core/lease/timing.ts';
import { measure, type Measurement } from '../../core/drill/measure.ts';
import type { DrillRecord } from '../../core/drill/record.ts';
import { type DrillResult, drillResult } from '../../core/drill/result.ts';
import type { Scenario } from '../../core/drill/scenario.ts';
import type { InjectedFault } from '../faults/inject.ts';
import { describeApiserver, type Lab } from '../lab.ts';
import { datapathOf } from '../plan.ts';
import { agentStatus, awaitSteady } from './agents.ts';
import { startInstruments } from './instruments.ts';

const STEADY_TIMEOUT_MS = 30_000;
const CONNECTIONS = 300;
/** How long after the planned undo the timer on the host would undo by itself, should this process be gone. */
const TIMER_SPARE_MS = 5000;

export interface DrillOptions {
  connections?: number;
  /** Time between requests, and so the resolution of the outage; as for `startInstruments`. */
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
  const restore = await lab.prepare(scenario.fault);
  try {
    return await runPrepared(lab, scenario, options);
  } finally {
    await restore();
  }
}

async function runPrepared(lab: Lab, scenario: Scenario, options: DrillOptions): Promise<Drill> {
  const { connections = CONNECTIONS, intervalMs, progress = () => undefined, signal } = options;
  const holder = await awaitSteady(lab, { timeoutMs: STEADY_TIMEOUT_MS });
  const target = scenario.target === 'holder' ? holder : (lab.controlPlane.find((host) => host.name !== holder.name) ?? holder);
  const datapath = (await agentStatus(holder))?.datapath.datapath ?? datapathOf(lab.plan);
  progress(`${holder.name} holds ${lab.plan.endpoint.addresses.join(' and ')}, datapath ${datapath}`);
  const instruments = await startInstruments(lab, { connections, ...(intervalMs !== undefined && { intervalMs }) });
  let injected: InjectedFault | undefined;
  try {
    await sleep(scenario.warmUpMs, undefined, { ...(signal && { signal }) });
    const startedAt = new Date().toISOString();
    progress(`${scenario.name}: ${scenario.description} (${target.name})`);
    injected = await lab.inject(scenario.fault, target.name, { undoAfterMs: scenario.undoAfterMs + TIMER_SPARE_MS });
    await sleep(scenario.undoAfterMs, undefined, { ...(signal && { signal }) });
    progress(`undoing ${scenario.name} on ${target.name}`);
    const undoMs = lab.now();
    await injected.undo();
    await sleep(scenario.observeMs - scenario.undoAfterMs, undefined, { ...(signal && { signal }) });
    const record: DrillRecord = {
      course: { datapath, struck: injected.record.struck, plannedHandOver: scenario.fault === 'drain' },
      ...(await instruments.stop()),
      marks: [
        { timeMs: injected.record.injectedAtMs, label: `${scenario.fault} ${target.name}`, kind: 'fault' },
        { timeMs: undoMs, label: 'undo', kind: 'undo' },
      ],
    };
    return conclude(lab, { scenario, record, startedAt });
  } finally {
    await instruments.abandon();
    await injected?.undo();
  }
}

function conclude(lab: Lab, seen: { scenario: Scenario; record: DrillRecord; startedAt: string }): Drill {
  const { scenario, record, startedAt } = seen;
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
      report: null,
    },
    measurement,
  );
  return { result, record, measurement };
}
