import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { familyOf, hostPort } from '../../base/address.ts';
import { timingProfiles, type TimingProfile } from '../../core/lease/timing.ts';
import { measure, type Measurement } from '../../core/drill/measure.ts';
import type { DrillRecord } from '../../core/drill/record.ts';
import { type DrillResult, drillResult } from '../../core/drill/result.ts';
import type { Scenario } from '../../core/drill/scenario.ts';
import { APISERVER_CA } from '../credentials.ts';
import type { InjectedFault } from '../faults/inject.ts';
import { describeApiserver, type Lab } from '../lab.ts';
import { startProbe } from '../probe/process.ts';
import type { ProbeOptions } from '../probe/options.ts';
import { awaitSteady } from './agents.ts';

const STEADY_TIMEOUT_MS = 30_000;
const PROBE_INTERVAL_MS = 5;
const REQUEST_TIMEOUT_MS = 1000;
const CONNECTIONS = 300;
/** How long after the planned undo the timer on the host would undo by itself, should this process be gone. */
const TIMER_SPARE_MS = 5000;

export interface DrillOptions {
  connections?: number;
  progress?: (line: string) => void;
  signal?: AbortSignal;
}

export interface Drill {
  result: DrillResult;
  record: DrillRecord;
  measurement: Measurement;
}

/** Runs one scenario on a lab: steady state, probes, fault, observation, undo, verdict. The fault is undone also when this fails. */
export async function runDrill(lab: Lab, scenario: Scenario, options: DrillOptions = {}): Promise<Drill> {
  const { progress = () => undefined, signal } = options;
  const holder = await awaitSteady(lab, { timeoutMs: STEADY_TIMEOUT_MS });
  const target = scenario.target === 'holder' ? holder : (lab.controlPlane.find((host) => host.name !== holder.name) ?? holder);
  progress(`${holder.name} holds ${lab.plan.endpoint.addresses.join(' and ')}`);
  const probe = await startProbe(lab.client.command([]), probeOptions(lab, options.connections ?? CONNECTIONS));
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
      ...(await probe.stop()),
      marks: [
        { timeMs: injected.record.injectedAtMs, label: `${scenario.fault} ${target.name}`, kind: 'fault' },
        { timeMs: undoMs, label: 'undo', kind: 'undo' },
      ],
    };
    return conclude(lab, { scenario, record, startedAt });
  } finally {
    await probe.abandon();
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

function probeOptions(lab: Lab, connections: number): ProbeOptions {
  const address = lab.plan.endpoint.addresses[0] as string;
  const folder = join(lab.folder, 'drills');
  mkdirSync(folder, { recursive: true });
  return {
    address,
    port: lab.plan.endpoint.port,
    serverName: lab.plan.endpoint.dnsName,
    caFile: `/${APISERVER_CA}`,
    intervalMs: PROBE_INTERVAL_MS,
    timeoutMs: REQUEST_TIMEOUT_MS,
    connections,
    outFile: join(folder, `${Math.round(lab.now())}.ndjson`),
    observer: {
      interface: 'eth0',
      address: lab.plan.observerAddresses.find((candidate) => familyOf(candidate) === familyOf(address)) as string,
      hosts: lab.controlPlane.map(({ name, mac }) => ({ name, mac })),
    },
  };
}
