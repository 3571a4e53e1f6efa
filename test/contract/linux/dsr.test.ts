import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { assignSlots, slotOf } from '../../../src/core/balancer/slots.ts';
import type { LabHost } from '../../../src/lab/host.ts';
import { createLab, type Lab } from '../../../src/lab/lab.ts';
import { Inside } from '../../support/inside.ts';
import { labImpossible } from '../../support/lab.ts';

const ALL = 0b111;
const OK = JSON.stringify({ ok: true });

describe.skipIf(labImpossible !== undefined).each(['4', '6'] as const)(
  `direct server return in the kernels of three hosts, IPv%s ${labImpossible ?? ''}`,
  (families) => {
    let lab: Lab;
    let hosts: Inside[] = [];
    let client: Inside;
    let nextPort = 20_000;
    beforeAll(async () => {
      lab = await createLab({ name: `dsr-${process.pid}-${families}`, families, services: [] });
    });
    afterEach(async () => {
      for (const inside of [...hosts, client]) await inside.end();
      hosts = [];
    });
    afterAll(() => lab?.down());

    const clientAddress = () => lab.client.addresses[0] as string;
    /** A client port, never used before, whose connection belongs to `backend` among those of `mask`. */
    function portOf(backend: number, mask = ALL): number {
      for (;;) {
        const port = nextPort++;
        const slot = slotOf({ address: clientAddress(), port }, 3);
        if (assignSlots(3, mask)[slot] === backend) return port;
      }
    }

    async function start(): Promise<void> {
      const address = lab.plan.endpoint.addresses[0] as string;
      const macs = lab.controlPlane.map(({ mac }) => mac);
      hosts = lab.controlPlane.map((host, i) => new Inside(host as LabHost, 'dsr-host.ts', [address, String(i), ...macs]));
      client = new Inside(lab.client, 'handover-client.ts', [address]);
      for (const host of hosts) expect(await host.ask(`steer ${ALL} ${ALL}`)).toBe(OK);
      await take(0);
    }

    /** The client sends what is for the address to a host, whatever is announced. */
    async function clientBelieves(host: number, work: () => Promise<void>): Promise<void> {
      const address = lab.plan.endpoint.addresses[0] as string;
      const mac = lab.controlPlane[host]?.mac as string;
      await lab.client.exec(['ip', 'neighbor', 'replace', address, 'lladdr', mac, 'dev', 'eth0', 'nud', 'permanent']);
      try {
        await work();
      } finally {
        await lab.client.exec(['ip', 'neighbor', 'del', address, 'dev', 'eth0']);
      }
    }

    async function take(i: number): Promise<void> {
      expect(await hosts[i]?.ask('hold')).toBe(OK);
      await hosts[i]?.ask('announce');
    }

    test('each connection is served by the backend that its slot says, the holder among them', async () => {
      await start();
      for (const backend of [0, 1, 2]) expect(await client.ask(`open c${backend} ${portOf(backend)}`)).toBe(String(backend));
    });

    test('connections to other backends live on when the holder is gone; its own are reset once nothing is steered to it', async () => {
      await start();
      for (const backend of [0, 1, 2]) expect(await client.ask(`open c${backend} ${portOf(backend)}`)).toBe(String(backend));
      await lab.lan.setPort('cp1', 'down');
      try {
        expect(await hosts[1]?.ask('steer 6 6')).toBe(OK);
        await take(1);
        expect(await client.ask('ask c1')).toBe('1');
        expect(await client.ask('ask c2')).toBe('2');
        expect(await client.ask('ask c0')).toBe('ECONNRESET');
        expect(await client.ask(`open new ${portOf(0)}`)).toMatch(/^[12]$/);
      } finally {
        await lab.lan.setPort('cp1', 'up');
      }
    });

    test('a backend that returns takes new connections only, and those of the others stay', async () => {
      await start();
      await hosts[0]?.ask('steer 3 3');
      const moved = portOf(2);
      const elsewhere = await client.ask(`open moved ${moved}`);
      expect(elsewhere).toMatch(/^[01]$/);
      await hosts[0]?.ask(`steer ${ALL} 3`);
      expect(await client.ask('ask moved')).toBe(elsewhere);
      expect(await client.ask(`open fresh ${portOf(2)}`)).toBe('2');
      expect(await client.ask('ask fresh')).toBe('2');
      expect(await hosts[0]?.ask(`except ${clientAddress()} ${moved} ${elsewhere}`)).toBe(OK);
      await hosts[0]?.ask(`steer ${ALL} ${ALL}`);
      for (const [id, backend] of [
        ['moved', elsewhere],
        ['fresh', '2'],
      ] as const)
        expect(await client.ask(`ask ${id}`)).toBe(backend);
      // Another holder that knows the exceptions finds it as well.
      await hosts[1]?.ask(`except ${clientAddress()} ${moved} ${elsewhere}`);
      await hosts[0]?.ask('withdraw');
      await take(1);
      expect(await client.ask('ask moved')).toBe(elsewhere);
      await hosts[1]?.ask('except');
      expect(await client.ask('ask moved')).toBe('ECONNRESET');
    });

    test('a connection that was seen opening stays where it is when the next backend comes', async () => {
      await start();
      await hosts[0]?.ask('steer 4 7');
      const learned = portOf(1);
      expect(await client.ask(`open learned ${learned}`)).toBe('2');
      await hosts[0]?.ask('steer 4 4');
      await hosts[0]?.ask('steer 7 4');
      expect(await client.ask('ask learned')).toBe('2');
    });

    test('a host without the lease drops what clients send it, and serves what the holder steers to it', async () => {
      await start();
      expect(await client.ask(`open before ${portOf(1)}`)).toBe('1');
      await clientBelieves(1, async () => {
        expect(await client.ask(`open stale ${portOf(1)}`)).toBe('silence');
        expect(await client.ask(`open other ${portOf(2)}`)).toBe('silence');
      });
      expect(await client.ask('ask before')).toBe('1');
    });

    test('in a hand-over both hosts steer, so that a client that has not heard of it loses nothing', async () => {
      await start();
      expect(await client.ask(`open before ${portOf(2)}`)).toBe('2');
      await clientBelieves(0, async () => {
        expect(await hosts[0]?.ask(`yieldTo ${lab.controlPlane[1]?.mac}`)).toBe(OK);
        await take(1);
        expect(await client.ask('ask before')).toBe('2');
        for (const backend of [0, 1, 2]) expect(await client.ask(`open late${backend} ${portOf(backend)}`)).toBe(String(backend));
      });
    });

    test('what a router says of a packet that was too large reaches every backend', async () => {
      await start();
      // Its own count of what it was told (RFC 1213, RFC 4293): that of frames from members has the ends of earlier connections in it.
      const told = async (host: LabHost) => {
        const { stdout } = await host.exec(['cat', '/proc/net/snmp', '/proc/net/snmp6']);
        const [names, values] = [...stdout.matchAll(/^Icmp: (.*)$/gm)].map(([, line]) => line?.split(' ') ?? []);
        return Number(
          families === '6' ? /^Icmp6InPktTooBigs\s+(\d+)$/m.exec(stdout)?.[1] : values?.[names?.indexOf('InDestUnreachs') ?? -1],
        );
      };
      const countAll = () => Promise.all(lab.controlPlane.slice(1).map(told));
      const before = await countAll();
      const program = join(import.meta.dirname, '../../support/unreachable.ts');
      const sent = await lab.client.exec([process.execPath, program, lab.plan.endpoint.addresses[0] as string]);
      expect(sent).toMatchObject({ code: 0 });
      expect(await countAll()).toEqual(before.map((count) => count + 1));
    });

    test('whatever somebody flushes comes back, with what was steered, and the lease', async () => {
      await start();
      const port = portOf(2);
      expect(await client.ask(`open c ${port}`)).toBe('2');
      await hosts[0]?.ask(`except ${clientAddress()} ${port} 2`);
      await hosts[0]?.ask('steer 3 3');
      for (const host of lab.controlPlane) await host.exec(['nft', 'flush', 'ruleset']);
      for (const host of hosts) expect(JSON.parse((await host.ask('reconcile')) as string)).toHaveLength(1);
      for (const host of hosts) expect(await host.ask('reconcile')).toBe('[]');
      expect(await client.ask('ask c')).toBe('2');
      expect(await client.ask(`open d ${portOf(2)}`)).toMatch(/^[01]$/);
    });

    test('a backend with another MAC address serves again as soon as the holder knows it', async () => {
      await start();
      const [one, two] = lab.controlPlane as [LabHost, LabHost];
      const mac = '02:68:61:6c:65:99';
      expect(await client.ask(`open c ${portOf(1)}`)).toBe('1');
      await two.exec(['ip', 'link', 'set', 'eth0', 'address', mac]);
      try {
        for (const host of hosts) await host.ask(`stations ${[one.mac, mac, lab.controlPlane[2]?.mac].join(' ')}`);
        expect(JSON.parse((await hosts[1]?.ask('reconcile')) as string)).toEqual([expect.stringContaining(mac)]);
        expect(await client.ask('ask c')).toBe('1');
        await hosts[0]?.ask('withdraw');
        await take(1);
        for (const backend of [0, 1, 2]) expect(await client.ask(`open c${backend} ${portOf(backend)}`)).toBe(String(backend));
      } finally {
        await two.exec(['ip', 'link', 'set', 'eth0', 'address', two.mac]);
      }
    });
  },
);
