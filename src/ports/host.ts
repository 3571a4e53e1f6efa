import type { HostService } from '../core/etcd/rebuild/step.ts';
import type { EtcdStopSignal } from './etcd.ts';

/** What an operation needs of a control-plane host, however that is reached. Every call fails with a HaleError; `host_unreachable` when the host gives no answer. */
export interface Host {
  readonly name: string;
  /** The command that runs hale there. */
  readonly hale: readonly string[];
  /** Runs a program there to its end, from / and without a shell. A failing status is a value; whatever it left behind when it is cut short stays. */
  run(argv: readonly string[], options?: HostRunOptions): Promise<HostRunResult>;
  state(service: HostService): Promise<HostServiceState>;
  /** Returns when it has ended and will not come back by itself, not even when the host boots. Harmless when it is stopped. */
  stop(service: HostService): Promise<void>;
  /** Undoes `stop`. With `arguments`, these come after its own for this one start. Harmless when it runs. */
  start(service: HostService, options?: { arguments?: readonly string[] }): Promise<void>;
}

export interface HostRunOptions {
  /** Standard input; a stream is not held in memory. */
  input?: string | AsyncIterable<Uint8Array>;
  /** HaleError `host_silent` when it takes longer. */
  timeoutMs: number;
  signal?: EtcdStopSignal;
}

export interface HostRunResult {
  code: number;
  stdout: string;
  stderr: string;
}

/** `absent`: the host has no such service. `running`: started, and it does not serve (yet). `answers-peers`: etcd that answers other members, and no clients (yet). */
export type HostServiceState = 'absent' | 'stopped' | 'running' | 'answers-peers' | 'ready';
