import { timingProfiles } from '../core/lease/timing.ts';
import { majority } from '../core/lease/state.ts';
import type { SimHost } from './host.ts';
import type { HostConfig } from './scenario.ts';
import { agrees } from './transport.ts';

export type ViolationKind = 'two-answer' | 'no-majority' | 'term' | 'late' | 'dark' | 'moved' | 'hand-over' | 'stale-clients';

export interface Violation {
  kind: ViolationKind;
  atMs: number;
  text: string;
}

/** A run that is wrong is wrong again and again; the first few times of each kind tell enough. */
const OF_A_KIND_MAX = 3;

/** Collects what must not happen, with the time at which it did. */
export class Violations {
  readonly list: Violation[] = [];
  readonly #now: () => number;
  readonly #trace: (line: string) => void;

  constructor(now: () => number, trace: (line: string) => void) {
    this.#now = now;
    this.#trace = trace;
  }

  add(kind: ViolationKind, text: string): void {
    if (this.list.filter((known) => known.kind === kind).length >= OF_A_KIND_MAX) return;
    this.list.push({ kind, atMs: this.#now(), text });
    this.#trace(`VIOLATION ${kind}: ${text}`);
  }
}

/** Rounding of clock rates, in ms. */
const ROUNDING_MS = 1e-6;

/**
 * Safety, looked at from outside, at every instant at which a kernel begins to answer or goes on to:
 * at most one kernel answers; a majority promised for at least as long; terms grow.
 */
export class SafetyMonitor {
  readonly #hosts: readonly SimHost[];
  readonly #violations: Violations;
  #last: { term: number; starts: number; config: HostConfig } | undefined;

  constructor(hosts: readonly SimHost[], violations: Violations) {
    this.#hosts = hosts;
    this.#violations = violations;
  }

  onHold(host: SimHost): void {
    for (const other of this.#hosts) {
      if (other !== host && other.answers && host.answers) {
        const until = Math.min(host.kernel.until, other.kernel.until).toFixed(2);
        this.#violations.add('two-answer', `hosts ${other.index} and ${host.index} both answer, until ${until} ms if neither withdraws`);
      }
    }
    if (host.isLive) this.#checkMajority(host);
  }

  /** Terms are kept in memory, by agents that listen to each other: they must grow as long as nobody has started anew. */
  onHolder(host: SimHost, term: number): void {
    const starts = this.#hosts.reduce((sum, { starts: count }) => sum + count, 0);
    const last = this.#last;
    if (last !== undefined && starts === last.starts && agrees(host.running, last.config) && term <= last.term) {
      this.#violations.add('term', `host ${host.index} holds with term ${term} after term ${last.term}`);
    }
    this.#last = { term, starts, config: host.running };
  }

  /** Members whose promise this world cannot look up, because they ended or started anew since, count for the holder. */
  #checkMajority(host: SimHost): void {
    const { members } = host.running;
    const leaseMs = timingProfiles[host.running.profile].leaseMs;
    let promised = 0;
    for (const [member, index] of members.entries()) {
      const granter = this.#hosts[index];
      const state = granter?.engine?.state;
      if (granter === undefined || state === undefined || !agrees(granter.running, host.running)) promised++;
      else if (state.granter.silentUntil + leaseMs > granter.clock.now()) promised++;
      else {
        const self = members.indexOf(host.index);
        const { promise, succession } = state.granter;
        const until = Math.max(
          promise?.candidate === self ? promise.until : Number.NEGATIVE_INFINITY,
          succession?.candidate === self ? succession.until : Number.NEGATIVE_INFINITY,
        );
        if (granter.trueTime(until) >= host.kernel.until - ROUNDING_MS || member === self) promised++;
      }
    }
    if (promised < majority(members.length)) {
      this.#violations.add(
        'no-majority',
        `host ${host.index} answers until ${host.kernel.until.toFixed(2)} ms, promised by ${promised} of ${members.length}`,
      );
    }
  }
}
