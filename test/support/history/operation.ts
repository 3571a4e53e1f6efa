/** One call of a client, as it saw it. Times are of one clock that all clients share; every written value is written by one operation only. */
export type Operation = Write | Cas | Read;

interface Call {
  id: number;
  client: string;
  key: string;
  invokedAtMs: number;
  /** When the outcome was known; of one that is unknown, when the client gave up. */
  returnedAtMs: number;
}

export interface Write extends Call {
  kind: 'write';
  value: string;
  outcome: Written | Failed | Unknown;
}

/** Writes `value` if the key still has the value and revision that the client saw before. */
export interface Cas extends Call {
  kind: 'cas';
  /** Null: the key did not exist. */
  from: string | null;
  fromRevision: number;
  value: string;
  outcome: Written | Conflict | Failed | Unknown;
}

/** Linearizable. */
export interface Read extends Call {
  kind: 'read';
  outcome: Seen | Failed | Unknown;
}

export interface Written {
  kind: 'written';
  revision: number;
}

/** The key had another revision. */
export interface Conflict {
  kind: 'conflict';
  /** Of the store when it was compared. */
  revision: number;
}

export interface Seen {
  kind: 'seen';
  value: string | null;
  /** 0 when there is none. */
  modRevision: number;
  /** Of the store when it was read. */
  revision: number;
}

/** Certainly without effect. */
export interface Failed {
  kind: 'failed';
  error: string;
}

/** It may take effect at any time after its invocation, or never. */
export interface Unknown {
  kind: 'unknown';
  error: string;
}

/** `k1: m2 cas "a" -> "b" (17.4 to 19.0 ms): written at 12`, for messages. */
export function describeOperation(operation: Operation): string {
  const { client, key, invokedAtMs, returnedAtMs, outcome } = operation;
  const what =
    operation.kind === 'read'
      ? 'read'
      : operation.kind === 'write'
        ? `put ${operation.value}`
        : `cas ${operation.from} -> ${operation.value}`;
  return `${key}: ${client} ${what} (${invokedAtMs.toFixed(1)} to ${returnedAtMs.toFixed(1)} ms): ${describeOutcome(outcome)}`;
}

function describeOutcome(outcome: Operation['outcome']): string {
  switch (outcome.kind) {
    case 'written':
      return `written at ${outcome.revision}`;
    case 'conflict':
      return `conflict at ${outcome.revision}`;
    case 'seen':
      return `${outcome.value} of ${outcome.modRevision} at ${outcome.revision}`;
    default:
      return `${outcome.kind}: ${outcome.error}`;
  }
}

export function grouped<K, T>(items: readonly T[], keyOf: (item: T) => K): T[][] {
  const groups = new Map<K, T[]>();
  for (const item of items) {
    const group = groups.get(keyOf(item));
    if (group === undefined) groups.set(keyOf(item), [item]);
    else group.push(item);
  }
  return [...groups.values()];
}
