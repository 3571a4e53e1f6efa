import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createLab, type Lab } from '../../../src/lab/lab.ts';
import type { LabHost } from '../../../src/lab/host.ts';
import { Inside } from '../../support/inside.ts';
import { labImpossible } from '../../support/lab.ts';

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
