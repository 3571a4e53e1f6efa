/** (scenario, measurement) -> verdict. A failed verdict names each expectation that did not hold, with the number; a void one what stood still. */
import type { Breach } from './ledger.ts';
import type { Measurement } from './measure.ts';
import type { Scenario } from './scenario.ts';

export interface Verdict {
  verdict: 'pass' | 'fail' | 'void';
  /** Why it is not a pass; empty for a pass. */
  reasons: string[];
}

export interface VerdictContext {
  /** Lease time of the timing profile in force. */
  leaseMs: number;
}

/** An instrument that did not run for longer than this measured itself. */
const LAG_MAX_MS = 250;

/** Of the outage, where nothing but the fault delays a request. */
export function outageBoundMs(scenario: Scenario, { leaseMs }: VerdictContext): number {
  return scenario.expect.outage.leases * leaseMs + scenario.expect.outage.plusMs;
}

/**
 * What is added to the bound: a real control plane shares the machine's cores with its clients, so that requests wait although nothing has failed. As
 * much as they waited before the fault, and no more; a stand-in takes too little to excuse anything.
 */
export function rigAllowanceMs({ fleet, quiet }: Pick<Measurement, 'fleet' | 'quiet'>): number {
  return fleet === undefined ? 0 : quiet.gapMs;
}

export function judge(scenario: Scenario, measurement: Measurement, context: VerdictContext): Verdict {
  // What is proven stays proven, however late the instruments were.
  const proven = [...overlapReasons(measurement), ...breachReasons(measurement)];
  if (proven.length > 0) return { verdict: 'fail', reasons: proven };
  const lag = lagReasons(measurement);
  if (lag.length > 0) return { verdict: 'void', reasons: lag };
  const reasons = [
    ...steadyState(measurement),
    ...fleetReasons(measurement),
    ...holderReasons(scenario, measurement),
    ...serviceReasons(scenario, measurement, context),
  ];
  return { verdict: reasons.length === 0 ? 'pass' : 'fail', reasons };
}

function overlapReasons({ holders }: Measurement): string[] {
  if (holders.maxSimultaneous <= 1) return [];
  return [`${holders.maxSimultaneous} hosts answered for the address at once, for at least ${round(holders.overlapMs)} ms`];
}

/** What the API broke of its word. */
function breachReasons({ fleet }: Measurement): string[] {
  if (fleet === undefined) return [];
  const { lostWrites, overwrittenWrites, lostEvents, duplicateEvents, disorderedEvents } = fleet.ledger;
  const breaches: [Breach, string][] = [
    [lostWrites, 'acknowledged writes were lost'],
    [overwrittenWrites, 'acknowledged writes were overwritten by older ones'],
    [lostEvents, 'watch events were lost'],
    [duplicateEvents, 'watch events came twice'],
    [disorderedEvents, 'watch events came out of order'],
  ];
  return breaches.flatMap(([{ count, example }, what]) => (count === 0 ? [] : [`${count} ${what}: ${example}`]));
}

function fleetReasons({ fleet }: Measurement): string[] {
  if (fleet === undefined) return [];
  const { ledger, times } = fleet;
  const reasons: string[] = [];
  if (ledger.committedWrites === 0) reasons.push('no write of the fleet was acknowledged, so nothing was measured');
  if (times.watchesLostBefore > 0) reasons.push(`${times.watchesLostBefore} watches were lost before the fault: not a steady state`);
  if (ledger.unreadWriters > 0) {
    reasons.push(`the objects of ${ledger.unreadWriters} writers could not be read at the end, so whether writes were lost is not known`);
  }
  if (ledger.cutOff > 0) reasons.push(`${ledger.cutOff} of ${fleet.watchers} watchers had no watch at the end`);
  return reasons;
}

function lagReasons(measurement: Measurement): string[] {
  const { probeLagMs, watchedEveryMs } = measurement;
  const reasons: string[] = [];
  const rigMs = rigAllowanceMs(measurement);
  if (rigMs > LAG_MAX_MS) {
    reasons.push(`no request succeeded for ${round(rigMs)} ms before the fault; beyond ${LAG_MAX_MS} ms nothing can be judged`);
  }
  if (probeLagMs > LAG_MAX_MS)
    reasons.push(`the probe sent a request ${round(probeLagMs)} ms late; beyond ${LAG_MAX_MS} ms nothing can be judged`);
  if (watchedEveryMs.max > LAG_MAX_MS) {
    reasons.push(`the hosts were not watched for ${round(watchedEveryMs.max)} ms; beyond ${LAG_MAX_MS} ms nothing can be judged`);
  }
  return reasons;
}

/** A drill that begins in trouble proves nothing about the fault. */
function steadyState({ requests, connections, holderBefore }: Measurement): string[] {
  const reasons: string[] = [];
  if (requests.total === 0) reasons.push('no request was sent, so nothing was measured');
  if (requests.failedBeforeFault > 0) reasons.push(`${requests.failedBeforeFault} requests failed before the fault: not a steady state`);
  if (connections.lostBeforeFault > 0) {
    reasons.push(`${connections.lostBeforeFault} long-lived connections were lost before the fault: not a steady state`);
  }
  if (holderBefore === null) reasons.push('nobody answered for the address before the fault');
  return reasons;
}

function holderReasons(scenario: Scenario, { holderBefore, holderAfter }: Measurement): string[] {
  const reasons: string[] = [];
  if (holderAfter === null) reasons.push('nobody answered for the address after the fault');
  else if (scenario.expect.holder === 'changes' && holderAfter === holderBefore) {
    reasons.push(`${holderAfter} still held the address after the fault; another host was to take it`);
  } else if (scenario.expect.holder === 'stays' && holderAfter !== holderBefore) {
    reasons.push(`the address moved from ${holderBefore ?? 'nobody'} to ${holderAfter}; it was to stay`);
  }
  return reasons;
}

function serviceReasons(scenario: Scenario, measurement: Measurement, context: VerdictContext): string[] {
  const { expect } = scenario;
  const { outage, failingForMs, requests, connections } = measurement;
  const reasons: string[] = [];
  const boundMs = outageBoundMs(scenario, context);
  const rigMs = rigAllowanceMs(measurement);
  if (outage.outageMs > boundMs + rigMs) {
    const allowed = rigMs === 0 ? `${boundMs} ms` : `${boundMs} ms and the ${round(rigMs)} ms that the rig took without a fault`;
    reasons.push(`the outage lasted ${round(outage.outageMs)} ms; at most ${allowed} were allowed`);
  }
  if (failingForMs > expect.failingForMs) {
    reasons.push(`requests still failed ${round(failingForMs)} ms after the fault; at most ${expect.failingForMs} ms were allowed`);
  }
  if (expect.failedMax !== undefined && requests.failed > expect.failedMax) {
    reasons.push(`${requests.failed} requests failed; at most ${expect.failedMax} were allowed`);
  }
  if (connections.hung > expect.hungMax) {
    reasons.push(`${connections.hung} connections hung; at most ${expect.hungMax} were allowed`);
  }
  const lostMax = expect.survivorsLostMax?.[measurement.datapath];
  if (lostMax !== undefined && (connections.survivorsLost ?? 0) > lostMax) {
    const whose = 'whose API server was on a host that was not struck';
    reasons.push(`${connections.survivorsLost} connections were lost ${whose}; at most ${lostMax} were allowed`);
  }
  return reasons;
}

function round(valueMs: number): number {
  return Math.round(valueMs * 10) / 10;
}
