/** Probe records as lines of JSON, written in batches: the probe shares two cores with what it measures. */
import { closeSync, openSync, writeSync } from 'node:fs';
import type { ConnectionRecord, Observations, RequestRecord } from '../../core/drill/record.ts';

const FLUSH_EVERY_MS = 250;

export type ProbeRecord =
  | ({ type: 'request' } & RequestRecord)
  | ({ type: 'connection' } & ConnectionRecord)
  /** Last line of a complete recording. */
  | { type: 'end'; probeLagMs: number };

/** What the probe observed. */
export type Recording = Omit<Observations, 'watch'>;

export class Recorder {
  readonly #file: number;
  readonly #timer: NodeJS.Timeout;
  #lines: string[] = [];

  constructor(path: string) {
    this.#file = openSync(path, 'w', 0o644);
    this.#timer = setInterval(() => this.#flush(), FLUSH_EVERY_MS);
  }

  add(record: ProbeRecord): void {
    this.#lines.push(JSON.stringify(record));
  }

  #flush(): void {
    if (this.#lines.length === 0) return;
    writeSync(this.#file, `${this.#lines.join('\n')}\n`);
    this.#lines = [];
  }

  close(): void {
    clearInterval(this.#timer);
    this.#flush();
    closeSync(this.#file);
  }
}
