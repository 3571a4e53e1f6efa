import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import type { Flow } from '../../../src/core/balancer/flow.ts';
import type { DatapathPlan } from '../../../src/core/balancer/plan.ts';
import { addServer, addService, deleteService, setServer, setService } from '../../../src/drivers/linux/ipvs/codec.ts';
import { IpvsDatapath } from '../../../src/drivers/linux/ipvs/datapath.ts';
import { explainIpvs } from '../../../src/drivers/linux/ipvs/explain.ts';
import type { Clock } from '../../../src/ports/clock.ts';
import { connectionLines, meddle, scheduled, sysctl, table } from './kernel.ts';
import {
  addressOf,
  CLIENT,
  connect,
  connectMany,
  type Connection,
  countByServer,
  eventually,
  fate,
  inside,
  nft,
  planOf,
  PORT,
  SHARED,
} from './network.ts';

const SERVICE = { address: SHARED[4], port: PORT };
const OTHER = { address: '10.77.0.100', port: 8443 };
const FORMER = { address: '10.77.0.200', port: PORT };
const ready = planOf(['ready', 'ready', 'ready']);
const ourTable = ['TCP 0A4D0064:192B lc', '-> 0A4D0003:192B Masq 1', '-> 0A4D0002:192B Masq 1', '-> 0A4D0001:192B Masq 1'];

const clock: Clock = {
  now: () => performance.now(),
  at(time, callback) {
    const timer = setTimeout(callback, Math.max(0, time - performance.now()));
    return { cancel: () => clearTimeout(timer) };
  },
};

interface Cut {
  frontend: { address: string; port: number };
  clients: Flow[];
}

interface Opened {
  datapath: IpvsDatapath;
  cuts: Cut[];
  errors: string[];
}

const opened = new Set<IpvsDatapath>();

function open(plan: DatapathPlan = ready): Opened {
  const cuts: Cut[] = [];
  const errors: string[] = [];
  const say = (facts: object, message: string) => void errors.push(`${message} ${JSON.stringify(facts)}`);
  const log = { debug: () => {}, info: () => {}, warn: say, error: say };
  const datapath = IpvsDatapath.open(plan, { clock, log, onCut: (cut) => void cuts.push(cut) });
  opened.add(datapath);
  return { datapath, cuts, errors };
}

async function close(datapath: IpvsDatapath): Promise<void> {
  opened.delete(datapath);
  await datapath.close();
}

/** After every scenario, so that one that fails leaves nothing to the next. */
export async function cleanUp(): Promise<void> {
  for (const datapath of opened) await close(datapath);
  for (const service of [SERVICE, OTHER, FORMER, { address: SHARED[6], port: PORT }]) {
    try {
      meddle(deleteService(service));
    } catch {
      // Not there, as it should be.
    }
  }
  nft('flush', 'ruleset');
  await eventually(() => equal(connectionLines().length, 0));
}

const of = (connections: readonly Connection[], server: string) =>
  connections.find((connection) => connection.server === server) as Connection;

export const scenarios: Record<string, () => Promise<void>> = {
  // First, because the kernel keeps the counters of a real server that is removed and comes back.
  async 'explain tells what is in the kernel, with counters, and what stands in the way; without rules nothing'() {
    equal(explainIpvs(), undefined);
    const { datapath } = open(planOf(['ready', 'draining', 'ready']));
    await connectMany(4);
    deepEqual([explainIpvs()?.part, explainIpvs()?.problems], ['ipvs', []]);
    ok(explainIpvs()?.says.includes('Real server 10.77.0.2:6443 keeps its connections and takes no new ones (weight 0, 0 established).'));
    // The kernel adds its counters up every two seconds.
    await eventually(() => {
      const counted = explainIpvs()?.counters.map(({ what, connections }) => `${what} ${connections}`);
      for (const line of ['virtual server 10.77.0.100:6443 4', 'real server 10.77.0.3:6443 2', 'real server 10.77.0.2:6443 0'])
        ok(counted?.includes(line), line);
    });
    ok((explainIpvs()?.counters.at(-1)?.packets as number) > 0, 'packets were masqueraded');
    writeFileSync('/proc/sys/net/ipv4/vs/conntrack', '0');
    meddle(deleteService(SERVICE));
    deepEqual(
      explainIpvs()?.problems.map(({ fix }) => fix?.split(' ')[0]),
      ['if', 'sysctl'],
    );
    await close(datapath);
    equal(explainIpvs(), undefined);
  },

  async 'new connections are spread evenly over the backends that are ready'() {
    open();
    deepEqual(countByServer(await connectMany(12)), { cp1: 4, cp2: 4, cp3: 4 });
  },

  async 'the same over IPv6'() {
    open(planOf(['ready', 'ready', 'ready'], 6));
    const made = await connectMany(12, { v: 6 });
    deepEqual(countByServer(made), { cp1: 4, cp2: 4, cp3: 4 });
    equal(of(made, 'cp2').seen, addressOf(1, 6));
    deepEqual(
      await Promise.all(made.map(fate)),
      made.map(() => 'alive'),
    );
  },

  async 'what goes to another host comes from the holder, so that the answers come back'() {
    open();
    const made = await connectMany(3);
    deepEqual([of(made, 'cp1').seen, of(made, 'cp2').seen], [addressOf(CLIENT), addressOf(1)]);
  },

  async 'connections to a dead backend are forgotten at once: who sends is reset, who waits is told of, new ones go elsewhere'() {
    const { datapath, cuts } = open();
    const made = await connectMany(6);
    const dead = made.filter(({ server }) => server === 'cp2');
    datapath.apply(planOf(['ready', 'dead', 'ready']));
    deepEqual(countByServer(await connectMany(4)), { cp1: 2, cp3: 2 });
    await eventually(() => equal(cuts.length, 1));
    deepEqual(cuts[0]?.frontend, SERVICE);
    const ports = cuts[0]?.clients.map(({ address, port }) => `${address} ${port}`).toSorted();
    deepEqual(ports, dead.map(({ port }) => `${addressOf(CLIENT)} ${port}`).toSorted());
    deepEqual(
      connectionLines().filter((line) => line.includes('0A4D0002 192B')),
      [],
    );
    deepEqual(await Promise.all(dead.map(fate)), ['ECONNRESET', 'ECONNRESET']);
    equal(await fate(of(made, 'cp3')), 'alive');
    deepEqual(
      table(),
      ourTable.filter((line) => !line.includes('0A4D0002')),
    );
  },

  async 'who is connected through this host can be told to others, without its own processes'() {
    const { datapath } = open();
    const made = await connectMany(3);
    await connectMany(2, { from: 'cp1' });
    const listed = [...datapath.flows.list()].flat().map(({ address, port }) => `${address} ${port}`);
    deepEqual(listed.toSorted(), made.map(({ port }) => `${addressOf(CLIENT)} ${port}`).toSorted());
  },

  async 'a draining backend keeps its connections and takes no new ones, until it is ready again'() {
    const { datapath, cuts } = open();
    const made = await connectMany(3);
    datapath.apply(planOf(['ready', 'draining', 'ready']));
    deepEqual(countByServer(await connectMany(4)), { cp1: 2, cp3: 2 });
    equal(await fate(of(made, 'cp2')), 'alive');
    datapath.apply(ready);
    deepEqual(countByServer(await connectMany(2)), { cp2: 2 });
    deepEqual(cuts, []);
  },

  async 'a backend that is dead for a moment only is not cut off after it is back'() {
    const { datapath, cuts } = open();
    const made = await connectMany(3);
    datapath.apply(planOf(['ready', 'dead', 'ready']));
    datapath.apply(ready);
    await eventually(() => deepEqual(table(), ourTable));
    deepEqual([await fate(of(made, 'cp2')), cuts.length], ['alive', 0]);
  },

  async 'when all are draining they serve, and when all are dead they are tried'() {
    const { datapath } = open(planOf(['draining', 'draining', 'dead']));
    deepEqual(countByServer(await connectMany(4)), { cp1: 2, cp2: 2 });
    datapath.apply(planOf(['dead', 'dead', 'dead']));
    ok((await connect()).server.startsWith('cp'));
  },

  async 'an agent that was killed and starts again takes over its rules, with the connections; strangers go'() {
    const first = open();
    const made = await connectMany(3);
    meddle(setService(SERVICE, 'rr'), setServer(SERVICE, { address: addressOf(2), port: PORT, weight: 7 }));
    meddle(addServer(SERVICE, { address: '10.77.0.55', port: PORT, weight: 1 }));
    opened.delete(first.datapath);
    const { errors } = open();
    await eventually(() => deepEqual(table(), ourTable));
    deepEqual(await Promise.all(made.map(fate)), ['alive', 'alive', 'alive']);
    deepEqual(errors, []);
  },

  async 'the virtual server of an earlier run at another address is removed'() {
    const first = open({ ...ready, frontends: [FORMER] });
    opened.delete(first.datapath);
    open();
    deepEqual(table(), ourTable);
  },

  async 'virtual servers of others stay, and with them the kernel parameters'() {
    meddle(addService(OTHER, 'rr'), addServer(OTHER, { address: addressOf(3), port: PORT, weight: 5 }));
    const others = ['TCP 0A4D0064:20FB rr', '-> 0A4D0003:192B Masq 5'];
    deepEqual(table(), others);
    writeFileSync('/proc/sys/net/ipv4/vs/conntrack', '0');
    const { datapath } = open();
    deepEqual(datapath.reconcile(), []);
    await connectMany(3);
    await close(datapath);
    deepEqual([table(), sysctl('conntrack')], [others, '1']);
  },

  async 'what another program takes away is put back, and after the second time the way out is said, once a minute'() {
    const { datapath } = open();
    meddle(deleteService(SERVICE));
    ok(datapath.reconcile().includes('virtual server 10.77.0.100:6443 was missing'));
    deepEqual(table().toSorted(), ourTable.toSorted());
    meddle(deleteService(SERVICE));
    match(datapath.reconcile()[0] as string, /taken away 2 times by another program; .*excludeCIDRs: \["10\.77\.0\.100\/32"\]/);
    meddle(deleteService(SERVICE));
    equal(datapath.reconcile()[0], 'virtual server 10.77.0.100:6443 was missing');
    nft('flush', 'ruleset');
    writeFileSync('/proc/sys/net/ipv4/vs/expire_nodest_conn', '0');
    deepEqual(datapath.reconcile(), ['net.ipv4.vs.expire_nodest_conn was 0', 'the masquerading of connections through IPVS was missing']);
    deepEqual(datapath.reconcile(), []);
    deepEqual(countByServer(await connectMany(3)), { cp1: 1, cp2: 1, cp3: 1 });
  },

  async 'close leaves nothing, and the kernel parameters as they were'() {
    const names = ['conntrack', 'expire_nodest_conn', 'conn_reuse_mode'];
    writeFileSync('/proc/sys/net/ipv4/vs/conntrack', '0');
    writeFileSync('/proc/sys/net/ipv4/vs/expire_nodest_conn', '0');
    const { datapath, errors } = open();
    const made = await connectMany(3);
    deepEqual(names.map(sysctl), ['1', '1', '1']);
    await close(datapath);
    deepEqual([table(), nft('list', 'ruleset'), names.map(sysctl), errors], [[], '', ['0', '0', '1'], []]);
    await eventually(() => deepEqual(connectionLines(), []));
    equal(await fate(of(made, 'cp2')), 'ECONNRESET');
  },

  async 'a host that does not hold the address serves its own processes, and never schedules what a holder sends it'() {
    open();
    const second = inside('cp2', () => IpvsDatapath.open({ ...ready, self: 1 }, { clock, log: silent, onCut: () => {} }));
    try {
      deepEqual(countByServer(await connectMany(6)), { cp1: 2, cp2: 2, cp3: 2 });
      await eventually(() => deepEqual([scheduled(), inside('cp2', scheduled)], [6, 0]));
      deepEqual(countByServer(await connectMany(3, { from: 'cp2' })), { cp1: 1, cp2: 1, cp3: 1 });
      await eventually(() => deepEqual([scheduled(), inside('cp2', scheduled)], [6, 3]));
    } finally {
      await inside('cp2', () => second.close());
    }
  },

  async 'a holder serves its own processes, and resets them when it has lost the address'() {
    const { datapath } = open();
    const made = [...(await connectMany(3, { from: 'cp1' })), ...(await connectMany(3))];
    deepEqual(
      await Promise.all(made.map(fate)),
      made.map(() => 'alive'),
    );
    equal(datapath.connections(), 6);
    await datapath.resetConnections();
    deepEqual([connectionLines(), datapath.connections(), table().length], [[], 0, 4]);
    // Both ends are here: one is ended, and may hear first of the other's end.
    for (const end of await Promise.all(made.slice(0, 3).map(fate))) match(end, /^ECONN(ABORTED|RESET)$/);
  },

  async 'drain takes no new connections and waits for those under way'() {
    const { datapath } = open();
    const made = await connectMany(3);
    const drained = datapath.drain(60_000).then(() => 'drained');
    await rejects(connect());
    deepEqual(await Promise.all(made.map(fate)), ['alive', 'alive', 'alive']);
    for (const { socket } of made) socket.destroy();
    equal(await drained, 'drained');
  },

  async 'what has not ended when drain is over is reset'() {
    const { datapath } = open();
    const made = await connectMany(3);
    await datapath.drain(0);
    deepEqual(connectionLines(), []);
    deepEqual(await Promise.all(made.map(fate)), ['ECONNRESET', 'ECONNRESET', 'ECONNRESET']);
  },
};

const silent = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
