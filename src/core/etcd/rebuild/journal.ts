import type { Operation, Step } from './step.ts';

export type Facts = Readonly<Record<string, unknown>>;

export type JournalEvent =
  | { kind: 'plan'; operation: Operation }
  | { kind: 'begun'; step: string }
  | { kind: 'done'; step: string; facts: Facts }
  | { kind: 'failed'; step: string; reason: string }
  | { kind: 'undoing'; step: string }
  | { kind: 'undone'; step: string }
  | { kind: 'closed'; how: 'finished' | 'rolled back' };

/** `at`: ISO 8601. */
export type JournalEntry = { at: string } & JournalEvent;

/** Where an operation stands. */
export interface Stand {
  operation: Operation;
  state: 'open' | 'rolling back' | 'finished' | 'rolled back';
  /** Steps that were begun and not undone, in order; the last of them perhaps by half. */
  begun: readonly Step[];
  /** Ids of those that were carried out whole. */
  done: ReadonlySet<string>;
  /** Why the last attempt failed. */
  failure: { step: string; reason: string } | undefined;
  /** When clients may first have written to the new data; undefined when they cannot have. */
  openedAt: string | undefined;
}

/** Undefined when no plan was written, so that nothing can have been done. */
export function standOf(entries: readonly JournalEntry[]): Stand | undefined {
  const operation = entries.flatMap((entry) => (entry.kind === 'plan' ? entry.operation : []))[0];
  if (operation === undefined) return undefined;
  const begun = new Set<string>();
  const done = new Set<string>();
  let state: Stand['state'] = 'open';
  let failure: Stand['failure'];
  let openedAt: string | undefined;
  for (const entry of entries) {
    if (entry.kind === 'begun') {
      begun.add(entry.step);
      failure = undefined;
      if (operation.steps.find(({ id }) => id === entry.step)?.opens) openedAt ??= entry.at;
    } else if (entry.kind === 'done') done.add(entry.step);
    else if (entry.kind === 'failed') failure = { step: entry.step, reason: entry.reason };
    else if (entry.kind === 'undoing') {
      state = 'rolling back';
      failure = undefined;
      done.delete(entry.step);
    } else if (entry.kind === 'undone') begun.delete(entry.step);
    else if (entry.kind === 'closed') state = entry.how;
  }
  return { operation, state, begun: operation.steps.filter(({ id }) => begun.has(id)), done, failure, openedAt };
}

/** The steps that are still to be carried out. */
export function stepsLeft({ operation, done }: Stand): Step[] {
  return operation.steps.filter(({ id }) => !done.has(id));
}

/** Where it stands, in a sentence; while it is open, with what is stopped meanwhile. */
export function standText(stand: Stand): string {
  const { operation, state, done, begun, failure } = stand;
  const name = `${operation.kind} ${operation.id} of ${operation.where}`;
  if (state === 'finished') return `${name} is finished`;
  if (state === 'rolled back') return `${name} was rolled back`;
  const half = begun.find(({ id }) => !done.has(id));
  const count = `${done.size} of ${operation.steps.length} steps are done`;
  const at = half === undefined ? '' : `, and "${half.does}" was begun`;
  const why = failure === undefined ? '' : failure.reason === 'interrupted' ? '; it was interrupted' : `; it failed: ${failure.reason}`;
  return `${name} is ${state === 'open' ? 'not finished' : 'half put back'}: ${count}${at}${why}. ${stoppedText(stand)}`;
}

/** Which steps stop a service, and which start it again. */
const STOPS = [
  { stop: 'stop-etcd', starts: ['start-etcd', 'normal'], name: 'etcd' },
  { stop: 'stop-apiserver', starts: ['start-apiserver'], name: 'the API servers' },
  { stop: 'stop-controllers', starts: ['start-controllers'], name: 'controllers' },
];

function stoppedText({ begun, done }: Stand): string {
  const ids = new Set(begun.map(({ id }) => id));
  const stopped = STOPS.filter(({ stop, starts }) => ids.has(stop) && !starts.some((id) => done.has(id))).map(({ name }) => name);
  if (stopped.length > 0) return `Stopped meanwhile, and kept from starting: ${stopped.join(', ')}`;
  return STOPS.some(({ stop }) => ids.has(stop)) ? 'etcd and an API server run' : 'Nothing that runs was touched';
}
