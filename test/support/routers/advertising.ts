import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import type { BirdOptions } from '../../../src/drivers/routing/bird.ts';
import type { FrrOptions } from '../../../src/drivers/routing/frr.ts';
import type { Advertisement } from '../../../src/ports/advertiser.ts';
import type { TestHost } from '../netns.ts';

export type DaemonOptions = { kind: 'frr'; options: Omit<FrrOptions, 'clock'> } | { kind: 'bird'; options: Omit<BirdOptions, 'clock'> };

/** hale's advertiser in a process of its own on a host, so that it can be killed. */
export class Advertising {
  readonly process: ChildProcess;
  readonly #lines: Interface;

  constructor(host: TestHost, { kind, options }: DaemonOptions) {
    const program = join(import.meta.dirname, 'advertise-route.ts');
    const argv = ['ip', 'netns', 'exec', host.namespace, process.execPath, program, kind, JSON.stringify(options)];
    // The kernel ends it with the tests.
    this.process = spawn('setpriv', ['--pdeathsig', 'KILL', ...argv], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#lines = createInterface({ input: this.process.stdout as NodeJS.ReadableStream });
  }

  /** Each resolves with the problem of that moment. */
  want(advertisement: Advertisement): Promise<string | null> {
    return this.#ask(advertisement);
  }

  problem(): Promise<string | null> {
    return this.#ask('problem');
  }

  async close(): Promise<string | null> {
    const ended = this.#ended();
    const problem = await this.#ask('close');
    await ended;
    return problem;
  }

  async kill(): Promise<void> {
    const ended = this.#ended();
    this.process.kill('SIGKILL');
    await ended;
  }

  async #ask(line: string): Promise<string | null> {
    this.process.stdin?.write(`${line}\n`);
    return JSON.parse(((await once(this.#lines, 'line')) as [string])[0]) as string | null;
  }

  async #ended(): Promise<void> {
    if (this.process.exitCode === null && this.process.signalCode === null) await once(this.process, 'exit');
  }
}
