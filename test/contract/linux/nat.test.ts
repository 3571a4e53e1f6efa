import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Flow } from '../../../src/core/balancer/flow.ts';
import type { BackendState } from '../../../src/core/balancer/health.ts';
import type { DatapathPlan } from '../../../src/core/balancer/plan.ts';
import { listenFreebind } from '../../../src/drivers/linux/listen.ts';
import { NatDatapath } from '../../../src/drivers/linux/nat/nat.ts';
import { until } from '../../support/hale.ts';
import { createTestLan, netnsProblem, type TestHost } from '../../support/netns.ts';
import { connectFrom } from '../../support/tcp.ts';

const problem = netnsProblem();
const PORT = 6443;
const VIP = { 4: '10.77.0.100', 6: 'fd77::100' } as const;
const FOREIGN = 'table ip other { chain post { type nat hook postrouting priority 100; ip saddr 192.0.2.1 masquerade; }; }';
const quiet = {
  debug() {},
  info() {},
  warn() {},
  error: (facts: object, message: string) => process.stderr.write(`${message} ${JSON.stringify(facts)}\n`),
};

describe.skipIf(problem !== undefined).for([4, 6] as const)(
  `nat over IPv%i${problem === undefined ? '' : ` (skipped: ${problem})`}`,
  (version) => {
    let net: ReturnType<typeof createTestLan>;
    let holder: TestHost;
    let client: TestHost;
    let members: TestHost[] = [];
    let nat: NatDatapath | undefined;
    const open: Socket[] = [];
    const servers: Server[] = [];
    const forgotten: Flow[] = [];
    const accepted: Socket[][] = [[], [], []];
    const addressOf = (host: TestHost) => (version === 4 ? host.address4 : host.address6);

    function plan(...states: BackendState[]): DatapathPlan {
      const backends = members.map((host, i) => ({
        name: 'abc'[i] as string,
        address: addressOf(host),
        port: PORT,
        state: states[i] as BackendState,
      }));
      return { self: 0, frontends: [{ address: VIP[version], port: PORT }], backends };
    }
    const options = (more = {}) => ({
      interfaceNames: ['eth0'],
      masquerade: true,
      log: quiet,
      onForgotten: (clients: readonly Flow[]) => void forgotten.push(...clients),
      ...more,
    });
    // Whatever runs a program or sets a kernel parameter does it in the namespace of its thread.
    const apply = (...states: BackendState[]) => holder.inside(() => nat?.apply(plan(...states)));
    async function closeNat(): Promise<void> {
      const closed = holder.inside(() => nat?.close());
      nat = undefined;
      await closed;
    }
    const openNat = (more = {}) => (nat = holder.inside(() => NatDatapath.open(plan('ready', 'ready', 'ready'), options(more))));

    /** Listens on the host's own address alone, says its name, and then repeats what it hears. */
    async function serve(i: number): Promise<void> {
      const server = createServer((socket) => {
        socket.on('error', () => socket.destroy());
        accepted[i]?.push(socket);
        socket.write('abc'[i] as string);
        socket.pipe(socket);
      });
      const host = members[i] as TestHost;
      server.listen({ fd: host.inside(() => listenFreebind({ address: addressOf(host), port: PORT })) });
      servers.push(server);
      await once(server, 'listening');
    }

    async function connect(from = client): Promise<{ socket: Socket; on: string; fate: Promise<string> }> {
      const socket = connectFrom(from, { address: VIP[version], port: PORT });
      open.push(socket);
      const fate = new Promise<string>((resolve) => {
        socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'error'));
        socket.on('end', () => resolve('end'));
      });
      const [first] = (await once(socket, 'data')) as [Buffer];
      return { socket, on: first.toString()[0] as string, fate };
    }
    async function connectAll(count: number, from = client) {
      const all = [];
      for (let i = 0; i < count; i++) all.push(await connect(from));
      return all;
    }
    const names = (all: { on: string }[]) =>
      all
        .map(({ on }) => on)
        .toSorted()
        .join('');
    async function echoes({ socket }: { socket: Socket }): Promise<boolean> {
      socket.write('!');
      const [answer] = (await once(socket, 'data')) as [Buffer];
      return answer.toString().endsWith('!');
    }
    const tables = () => holder.run('nft', 'list', 'ruleset');

    beforeEach(async () => {
      net = createTestLan(['a', 'b', 'c', 'client']);
      [holder, , , client] = net.hosts as [TestHost, TestHost, TestHost, TestHost];
      members = net.hosts.slice(0, 3);
      holder.run('ip', 'address', 'add', `${VIP[version]}/${version === 4 ? 32 : 128}`, 'dev', 'eth0', ...(version === 6 ? ['nodad'] : []));
      for (const i of [0, 1, 2]) await serve(i);
    });

    afterEach(async () => {
      for (const socket of [...open.splice(0), ...accepted.flatMap((list) => list.splice(0))]) socket.destroy();
      await closeNat();
      forgotten.splice(0);
      for (const server of servers.splice(0)) server.close();
      net.remove();
    });

    test('connections are spread evenly, to the holder itself too, and from its own processes', async () => {
      openNat();
      expect(names(await connectAll(9))).toBe('aaabbbccc');
      expect(names(await connectAll(6, holder))).toBe('aabbcc');
      expect(await nat?.count()).toBe(9);
      expect([...(nat?.list() ?? [])].flat().map(({ address }) => address)).toEqual(Array.from({ length: 9 }, () => addressOf(client)));
    });

    test('a host without the address translates nothing', async () => {
      openNat();
      holder.run('ip', 'address', 'del', `${VIP[version]}/${version === 4 ? 32 : 128}`, 'dev', 'eth0');
      expect(() => connectFrom(holder, { address: VIP[version], port: PORT })).toThrow(/EHOSTUNREACH|ENETUNREACH|ETIMEDOUT/);
    });

    test('the client of a dead backend is reset with its next segment, the others live, and new connections go elsewhere', async () => {
      openNat();
      const all = await connectAll(6);
      (members[2] as TestHost).run('ip', 'link', 'set', 'eth0', 'down');
      apply('ready', 'ready', 'dead');
      expect(names(await connectAll(4))).toBe('aabb');
      await until(
        () => forgotten.length,
        (count) => count === 2,
        'two connections forgotten',
      );
      for (const { socket, on } of all) if (on === 'c') socket.write('!');
      expect(await Promise.all(all.filter(({ on }) => on === 'c').map(({ fate }) => fate))).toEqual(['ECONNRESET', 'ECONNRESET']);
      for (const one of all.filter(({ on }) => on !== 'c')) expect(await echoes(one)).toBe(true);
    });

    test('with nf_conntrack_tcp_loose 0 the holder resets the client of a dead backend', async () => {
      holder.inside(() => holder.run('sysctl', '-qw', 'net.netfilter.nf_conntrack_tcp_loose=0'));
      openNat();
      const all = await connectAll(3);
      apply('ready', 'ready', 'dead');
      await nat?.count();
      const lost = all.find(({ on }) => on === 'c');
      lost?.socket.write('!');
      expect(await lost?.fate).toBe('ECONNRESET');
    });

    test('a draining backend keeps its connections and takes no new ones', async () => {
      openNat();
      const all = await connectAll(3);
      apply('ready', 'draining', 'ready');
      expect(names(await connectAll(4))).toBe('aacc');
      for (const one of all) expect(await echoes(one)).toBe(true);
      apply('draining', 'draining', 'dead');
      expect(names(await connectAll(2))).toBe('ab');
    });

    test('two hundred updates under a loop of connects refuse none', async () => {
      openNat();
      const knocking = client.node(join(import.meta.dirname, 'nat-client.ts'), VIP[version], String(PORT));
      const stdout = knocking.stdout as NodeJS.ReadableStream;
      await once(stdout, 'data');
      for (let i = 0; i < 200; i++) {
        apply('ready', ...(i % 2 === 0 ? (['draining', 'ready'] as const) : (['ready', 'draining'] as const)));
        // Answers of the backends, which are in this process.
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
      knocking.kill('SIGTERM');
      const [said] = (await once(stdout, 'data')) as [Buffer];
      const { heard, failures } = JSON.parse(said.toString()) as { heard: number; failures: string[] };
      expect(heard).toBeGreaterThan(0);
      expect(failures).toEqual([]);
    });

    test('connections and connects survive an agent that is killed and comes back', async () => {
      const script = join(import.meta.dirname, 'nat-holder.ts');
      const start = async () => {
        const child = holder.node(script, JSON.stringify(plan('ready', 'ready', 'ready')));
        await once(child.stdout as NodeJS.ReadableStream, 'data');
        return child;
      };
      const first = await start();
      const all = await connectAll(6);
      first.kill('SIGKILL');
      await once(first, 'exit');
      all.push(...(await connectAll(3)));
      const enough = new AbortController();
      const loop = (async () => {
        while (!enough.signal.aborted) all.push(await connect());
      })();
      const second = await start();
      enough.abort();
      await loop;
      for (const one of all) expect(await echoes(one)).toBe(true);
      second.kill('SIGTERM');
      await once(second, 'exit');
      expect(tables()).toBe('');
    });

    test('processes of the holder hear at once that their backend died, also idle ones', async () => {
      const child = holder.node(
        join(import.meta.dirname, 'nat-holder.ts'),
        JSON.stringify(plan('ready', 'ready', 'ready')),
        JSON.stringify(plan('ready', 'ready', 'dead')),
      );
      await once(child.stdout as NodeJS.ReadableStream, 'data');
      const all = await connectAll(6, holder);
      child.kill('SIGUSR2');
      expect(await Promise.all(all.filter(({ on }) => on === 'c').map(({ fate }) => fate))).toEqual(['ECONNABORTED', 'ECONNABORTED']);
      for (const one of all.filter(({ on }) => on !== 'c')) expect(await echoes(one)).toBe(true);
      child.kill('SIGTERM');
      await once(child, 'exit');
    });

    test('a flushed or changed table is put back, and said; a foreign one is left alone', async () => {
      holder.run('nft', FOREIGN);
      const foreign = tables();
      openNat();
      const reconcile = () => holder.inside(() => nat?.reconcile());
      expect(reconcile()).toEqual([]);
      holder.run('nft', 'flush', 'table', 'inet', 'hale_nat');
      expect(reconcile()).toEqual(['somebody else deleted the nftables table inet hale_nat or parts of it: made anew']);
      holder.run('nft', 'add', 'rule', 'inet', 'hale_nat', 'prerouting', 'drop');
      expect(reconcile()).toEqual(['somebody else changed the nftables table inet hale_nat: made anew']);
      holder.run('nft', 'delete', 'element', 'inet', 'hale_nat', `backends${version}`, '{ 3 }');
      expect(reconcile()).toHaveLength(1);
      expect(names(await connectAll(3))).toBe('abc');
      apply('ready', 'ready', 'draining');
      expect(reconcile()).toEqual([]);
      holder.run('nft', 'flush', 'ruleset');
      apply('ready', 'ready', 'ready');
      expect(names(await connectAll(3))).toBe('abc');
      holder.run('nft', FOREIGN);
      await closeNat();
      expect(tables()).toBe(foreign);
    });

    test('close leaves no table, no translated connection and no kernel parameter', async () => {
      const parameters = () => holder.inside(() => holder.run('sh', '-c', 'sysctl -a -r "forwarding|accept_ra$" 2>/dev/null'));
      const before = parameters();
      openNat();
      expect(parameters()).not.toBe(before);
      await connectAll(3);
      await closeNat();
      expect(tables()).toBe('');
      expect(parameters()).toBe(before);
      expect(holder.run('sh', '-c', `conntrack -L -f ipv${version} -d ${VIP[version]} 2>/dev/null`)).toBe('');
    });

    test('draining lets connections end, and resets the rest', async () => {
      openNat();
      const [leaves, stays] = (await connectAll(2)) as [Awaited<ReturnType<typeof connect>>, Awaited<ReturnType<typeof connect>>];
      const drained = holder.inside(() => nat?.drain(1000));
      leaves.socket.end();
      expect(await leaves.fate).toBe('end');
      // By then a drain that does not wait has forgotten all.
      await nat?.count();
      expect(await echoes(stays)).toBe(true);
      await drained;
      stays.socket.write('!');
      expect(await stays.fate).toBe('ECONNRESET');
    });

    test('without masquerade the backend sees the client, where the way back is through the holder', async () => {
      openNat({ masquerade: false });
      for (const host of members.slice(1)) host.run('ip', 'route', 'add', addressOf(client), 'via', addressOf(holder));
      expect(names(await connectAll(3))).toBe('abc');
      expect(accepted.map(([socket]) => socket?.remoteAddress)).toEqual([addressOf(client), addressOf(client), addressOf(client)]);
      expect(names(await connectAll(3, holder))).toBe('abc');
      expect(accepted[1]?.[1]?.remoteAddress).toBe(addressOf(holder));
    });
  },
);
