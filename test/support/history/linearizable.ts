/**
 * Whether a history of registers is linearizable: each operation takes effect at one moment between its invocation and its return (Herlihy and Wing 1990).
 * Keys are checked one by one, which is enough (locality). In the order of returns every way is kept in which the operations so far may have taken
 * effect ("just in time", Lowe 2017). Values are unique, which cuts the search down: whoever saw a value must take effect before it is overwritten.
 */
import { describeOperation, grouped, type Operation } from './operation.ts';

/** What contradicts linearizability, one line a key at most; empty when nothing does. */
export function linearizabilityProblems(operations: readonly Operation[]): string[] {
  return grouped(operations, ({ key }) => key).flatMap((ofKey) => checkKey(ofKey) ?? []);
}

/** An operation as the search needs it. */
interface Step {
  operation: Operation;
  id: number;
  /** The register before it; undefined when that makes no difference. */
  needs: string | null | undefined;
  /** The register after it; undefined leaves it. */
  writes: string | undefined;
  /** Whether anybody saw what it wrote. */
  observed: boolean;
  endsAtMs: number;
}

/** One way in which it may have been: the register, and which of the operations under way have taken effect. */
interface Way {
  state: string | null;
  done: ReadonlySet<number>;
}

function checkKey(operations: readonly Operation[]): string | undefined {
  const writers = new Map<string, Operation>();
  for (const operation of operations) if (operation.kind !== 'read') writers.set(operation.value, operation);
  for (const operation of operations) {
    const value = observedBy(operation);
    if (typeof value !== 'string') continue;
    const writer = writers.get(value);
    if (writer === undefined) return `nobody wrote what was seen by ${describeOperation(operation)}`;
    if (writer.outcome.kind === 'failed') return `what failed was seen: ${describeOperation(writer)}; by ${describeOperation(operation)}`;
  }
  return new Search(toSteps(operations, writers)).run();
}

/** The value that this operation proves to have been there; undefined when it proves none. */
function observedBy({ kind, outcome, ...rest }: Operation): string | null | undefined {
  if (outcome.kind === 'seen') return outcome.value;
  return kind === 'cas' && outcome.kind === 'written' ? (rest as { from: string | null }).from : undefined;
}

function toSteps(operations: readonly Operation[], writers: ReadonlyMap<string, Operation>): Step[] {
  const endsBy = observedEnds(operations, writers);
  return operations.flatMap((operation): Step | [] => {
    const { id, kind, outcome, returnedAtMs } = operation;
    const base = { operation, id, endsAtMs: returnedAtMs };
    if (outcome.kind === 'seen') return { ...base, needs: outcome.value, writes: undefined, observed: false };
    // Why a cas met a conflict is a question of revisions: it may have been a write that nobody saw and nobody knows to have happened.
    if (kind === 'read' || outcome.kind === 'failed' || outcome.kind === 'conflict') return [];
    const seenBy = endsBy.get(operation.value);
    const step = { ...base, needs: kind === 'cas' ? operation.from : undefined, writes: operation.value, observed: seenBy !== undefined };
    if (outcome.kind === 'written') return step;
    // Unknown. What was seen has happened by then; what nobody saw can as well have never happened.
    return seenBy === undefined ? [] : { ...step, endsAtMs: seenBy };
  });
}

/** Of each value that somebody saw: when the first of them had seen it. A cas of unknown outcome saw a value if its own was seen. */
function observedEnds(operations: readonly Operation[], writers: ReadonlyMap<string, Operation>): Map<string, number> {
  const ends = new Map<string, number>();
  const see = (value: string | null, endsAtMs: number): void => {
    if (value === null || (ends.get(value) ?? Infinity) <= endsAtMs) return;
    ends.set(value, endsAtMs);
    const writer = writers.get(value);
    if (writer?.kind === 'cas' && writer.outcome.kind === 'unknown') see(writer.from, endsAtMs);
  };
  for (const operation of operations) {
    const value = observedBy(operation);
    if (value !== undefined) see(value, operation.returnedAtMs);
  }
  return ends;
}

class Search {
  readonly #steps: readonly Step[];
  /** Invoked, and not yet returned. */
  readonly #pending = new Map<number, Step>();
  /** Of each value: who saw it and has not returned yet, also those who were not invoked yet. */
  readonly #observers = new Map<string | null, Set<number>>();

  constructor(steps: readonly Step[]) {
    this.#steps = steps;
    for (const { id, needs } of steps) {
      if (needs !== undefined) this.#observers.set(needs, (this.#observers.get(needs) ?? new Set()).add(id));
    }
  }

  /** What went wrong, undefined when nothing did. */
  run(): string | undefined {
    let ways: Way[] = [{ state: null, done: new Set() }];
    for (const { step, returns } of this.#events()) {
      if (!returns) {
        this.#pending.set(step.id, step);
        continue;
      }
      const next = this.#waysWith(step, ways);
      if (next.length === 0) {
        const states = [...new Set(ways.map(({ state }) => String(state)))].slice(0, 5);
        return `not linearizable: ${describeOperation(step.operation)}; until then the value may have been ${states.join(', ')}`;
      }
      ways = next;
      this.#pending.delete(step.id);
      if (step.needs !== undefined) this.#observers.get(step.needs)?.delete(step.id);
    }
    return undefined;
  }

  /** At equal times invocations come first: such operations count as concurrent. */
  #events(): { step: Step; returns: boolean }[] {
    const events = this.#steps.flatMap((step) => [
      { step, returns: false, atMs: step.operation.invokedAtMs },
      { step, returns: true, atMs: step.endsAtMs },
    ]);
    return events.toSorted((a, b) => a.atMs - b.atMs || Number(a.returns) - Number(b.returns));
  }

  /** Every way in which `wanted` has taken effect, that one left out of `done`. Nothing takes effect before something that returns needs it. */
  #waysWith(wanted: Step, ways: readonly Way[]): Way[] {
    const found = new Map<string, Way>();
    const visited = new Set<string>();
    const open = [...ways];
    for (let way = open.pop(); way !== undefined; way = open.pop()) {
      const settled = this.#settle(way);
      const id = nameOf(settled);
      if (visited.has(id)) continue;
      visited.add(id);
      if (settled.done.has(wanted.id)) {
        const rest = { ...settled, done: new Set([...settled.done].filter((done) => done !== wanted.id)) };
        found.set(nameOf(rest), rest);
      } else {
        open.push(...this.#after(settled, wanted));
      }
    }
    return [...found.values()];
  }

  /** A read takes effect as soon as it can: that hinders nothing. */
  #settle({ state, done }: Way): Way {
    const settled = new Set(done);
    for (const { id, needs, writes } of this.#pending.values()) if (writes === undefined && needs === state) settled.add(id);
    return { state, done: settled };
  }

  /** The ways after one more write. */
  #after({ state, done }: Way, wanted: Step): Way[] {
    const unseen = [...(this.#observers.get(state) ?? [])].filter((id) => !done.has(id));
    const pending = [...this.#pending.values()];
    return pending.flatMap((step): Way | [] => {
      const { id, needs, writes } = step;
      if (writes === undefined || done.has(id) || (needs !== undefined && needs !== state)) return [];
      // Whoever saw the value that is overwritten must have seen it by now.
      if (unseen.some((observer) => observer !== id)) return [];
      // What nobody saw is placed right before another write, for which it makes no difference, or last of all when it returns.
      if (isUnseen(step) && step !== wanted) return [];
      const before = needs === undefined ? pending.filter(isUnseen).map((one) => one.id) : [];
      return { state: writes, done: new Set([...done, id, ...before]) };
    });
  }
}

function isUnseen({ needs, writes, observed }: Step): boolean {
  return writes !== undefined && needs === undefined && !observed;
}

function nameOf({ state, done }: Way): string {
  return `${state} ${[...done].toSorted((a, b) => a - b).join(',')}`;
}
