import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createLab, type Lab } from '../../../src/lab/lab.ts';
import type { LabHost } from '../../../src/lab/host.ts';
import { labImpossible } from '../../support/lab.ts';

/** A program in a host of the lab that answers each line with a line. */
class Inside {
  readonly #child: ChildProcess;
  readonly #lines: Interface;

  constructor(host: LabHost, program: string, args: string[]) {
    const [file, ...rest] = host.command([process.execPath, join(import.meta.dirname, '../../support', program), ...args]);
    this.#child = spawn(file as string, rest, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.#lines = createInterface({ input: this.#child.stdout as NodeJS.ReadableStream });
  }

  async ask(line: string): Promise<string> {
    this.#child.stdin?.write(`${line}\n`);
    return ((await once(this.#lines, 'line')) as [string])[0];
  }

  async end(): Promise<void> {
    this.#child.stdin?.end();
    if (this.#child.exitCode === null) await once(this.#child, 'close');
  }
}

describe.skipIf(labImpossible !== undefined).each(['4', '6'] as const)(
  `hand-over in the kernels of two hosts, IPv%s ${labImpossible ?? ''}`,
  (families) => {
    let lab: Lab;
    let running: Inside[] = [];
    beforeAll(async () => {
      lab = await createLab({ name: `handover-${process.pid}-${families}`, families, services: [] });
    });
    afterEach(async () => {
      for (const inside of running) await inside.end();
      running = [];
    });
    afterAll(() => lab?.down());

    const ok = JSON.stringify({ ok: true });

    async function start() {
      const address = lab.plan.endpoint.addresses[0] as string;
      const [one, two] = lab.controlPlane as [LabHost, LabHost];
      const old = new Inside(one, 'handover-host.ts', [address, 'old']);
      const next = new Inside(two, 'handover-host.ts', [address, 'next']);
      const client = new Inside(lab.client, 'handover-client.ts', [address]);
      running = [old, next, client];
      expect(await old.ask('hold')).toBe(ok);
      await old.ask('announce');
      expect(await client.ask('open a')).toBe('old');
      return { old, next, client, oldMac: one.mac, nextMac: two.mac };
    }

    test('new connections pass to the successor at the instant the holder yields, also before its own gate opens', async () => {
      const { old, next, client, oldMac, nextMac } = await start();
      expect(await next.ask(`prepare ${oldMac}`)).toBe(ok);
      expect(await client.ask('open b')).toBe('old');
      expect(await old.ask(`yieldTo ${nextMac}`)).toBe(ok);
      expect(await client.ask('open c')).toBe('next');
      expect(await client.ask('ask a')).toBe('old');
      expect(await client.ask('ask b')).toBe('old');
      expect(await client.ask('ask c')).toBe('next');
    });

    test('connections under way go on with the old holder after the neighbours have learnt of the new one', async () => {
      const { old, next, client, oldMac, nextMac } = await start();
      await next.ask(`prepare ${oldMac}`);
      await old.ask(`yieldTo ${nextMac}`);
      expect(await client.ask('open c')).toBe('next');
      expect(await next.ask('hold')).toBe(ok);
      await next.ask('announce');
      expect(await client.ask('open d')).toBe('next');
      for (const [id, host] of [
        ['a', 'old'],
        ['c', 'next'],
        ['d', 'next'],
      ] as const) {
        expect(await client.ask(`ask ${id}`)).toBe(host);
      }
    });

    test('when the old holder withdraws, its connections are over and the others are not', async () => {
      const { old, next, client, oldMac, nextMac } = await start();
      await next.ask(`prepare ${oldMac}`);
      await old.ask(`yieldTo ${nextMac}`);
      await next.ask('hold');
      await next.ask('announce');
      expect(await client.ask('open d')).toBe('next');
      expect(await old.ask('withdraw')).toBe(ok);
      expect(await client.ask('ask a')).not.toBe('old');
      expect(await client.ask('ask d')).toBe('next');
    });

    test('a host that is not prepared serves nothing that is passed on to it', async () => {
      const { old, client, nextMac } = await start();
      await old.ask(`yieldTo ${nextMac}`);
      expect(await client.ask('open c')).toBe('silence');
      expect(await client.ask('ask a')).toBe('old');
    });
  },
);
