/**
 * Child of the bench `datapath`: one of hale's datapaths, open in a process of its own, until SIGTERM. What is on the wire is as with an agent, so the
 * lease's gate stands before the address, open for as long as anybody measures.
 */
import { writeFileSync } from 'node:fs';
import { assert } from '../../src/base/assert.ts';
import type { DatapathPlan } from '../../src/core/balancer/plan.ts';
import { wantedBackends } from '../../src/core/balancer/steering.ts';
import { boottime } from '../../src/drivers/linux/boottime.ts';
import { openDeadline } from '../../src/drivers/linux/deadline.ts';
import { putUpServing, takeDownServing } from '../../src/drivers/linux/dsr/serving.ts';
import { DsrTable } from '../../src/drivers/linux/dsr/table.ts';
import { type Gate, type GateTable, installGate } from '../../src/drivers/linux/gate.ts';
import { linkByName } from '../../src/drivers/linux/links.ts';
import { IpvsDatapath } from '../../src/drivers/linux/ipvs/datapath.ts';
import { NatDatapath } from '../../src/drivers/linux/nat/nat.ts';
import { passingTable } from '../../src/drivers/linux/ruleset.ts';
import { openSocketSteering } from '../../src/drivers/linux/socket/steering.ts';
import { ProxyDatapath } from '../../src/drivers/proxy/proxy.ts';
import type { Datapath } from '../../src/ports/datapath.ts';
import type { Log } from '../../src/ports/log.ts';
import type { DriverName, DriverOptions } from './driver-options.ts';

const LEASE_MS = 600_000;
const OPEN_ATTEMPTS = 50;

interface Opened {
  close(): Promise<void> | void;
}

const OPEN: Record<DriverName, () => Promise<Opened> | Opened> = {
  proxy: openProxy,
  nat: openNat,
  ipvs: openIpvs,
  dsr: openDsr,
  socket: openSocket,
};

const options = JSON.parse(process.argv[2] as string) as DriverOptions;
const { plan } = options;
const addresses = plan.frontends.map(({ address }) => address);
const opened = await OPEN[options.name]();
// Keeps the process alive where the datapath itself is in the kernel only.
const stay = setInterval(() => {}, LEASE_MS);
process.once('SIGTERM', () => {
  clearInterval(stay);
  void Promise.resolve(opened.close()).then(() => process.exit(0));
});
writeFileSync(options.readyFile, '');

async function openProxy(): Promise<Opened> {
  const gate = openPassingGate();
  return behind(gate, await ProxyDatapath.open(plan, die));
}

function openNat(): Opened {
  const gate = openPassingGate();
  return behind(gate, NatDatapath.open(plan, { interfaceNames: ['eth0'], masquerade: true, log: stderrLog(), onForgotten: () => {} }));
}

function openIpvs(): Opened {
  const gate = openPassingGate();
  return behind(gate, IpvsDatapath.open(plan, { clock: boottime, log: stderrLog(), onCut: () => {} }));
}

function behind(gate: Gate, datapath: Datapath): Opened {
  return {
    async close() {
      await datapath.close();
      gate.remove();
    },
  };
}

/** On every host: with the address on `lo`, and the steering, which the gate opens on the holder alone. */
function openDsr(): Opened {
  const { backends, self, frontends } = plan;
  const [{ port }] = frontends as [DatapathPlan['frontends'][0]];
  const stations = backends.map(({ mac }) => mac);
  const table = new DsrTable({ interfaceName: 'eth0', addresses, port, backends: backends.length, self, stations });
  const { problems } = putUpServing({ interfaceName: 'eth0', addresses });
  assert(problems.length === 0, problems.join('; '));
  const gate = openGate(table.gateTable, table.memberMacs());
  const mask = wantedBackends(backends.map(({ state }) => state));
  const steered = table.steer({ opening: mask, established: mask });
  assert(steered.ok, steered.ok ? '' : steered.reason);
  return {
    close() {
      gate.remove();
      table.close();
      takeDownServing(addresses);
    },
  };
}

function openPassingGate(): Gate {
  return openGate(passingTable({ interfaceName: 'eth0', addresses }), []);
}

function openGate(table: GateTable, members: readonly Uint8Array[]): Gate {
  const link = linkByName('eth0');
  const locked = openDeadline({ linkIndex: link.index, addresses, members });
  const deadline = locked.ok ? locked.deadline : undefined;
  const installed = installGate({ table, mac: link.mac, addresses, clock: boottime, deadline });
  assert(installed.ok, installed.ok ? '' : installed.reason);
  const { gate } = installed;
  let leased = options.holds ? gate.open(boottime.now() + LEASE_MS) : gate.close();
  // On a busy machine an ordinary process is held up for longer than the gate allows.
  for (let attempt = 1; !leased.ok && attempt < OPEN_ATTEMPTS; attempt++) leased = gate.open(boottime.now() + LEASE_MS);
  assert(leased.ok, leased.ok ? '' : leased.reason);
  return gate;
}

function openSocket(): Opened {
  const [{ address, port }] = plan.frontends as [DatapathPlan['frontends'][0]];
  const backends = plan.backends.map((backend) => ({ name: backend.name, addresses: [backend.address], port: backend.port }));
  const installed = openSocketSteering({ addresses: [address], port, backends, log: stderrLog() });
  assert(installed.ok, installed.ok ? '' : installed.reason);
  installed.steering.apply(plan);
  return { close: () => void installed.steering.uninstall() };
}

function stderrLog(): Log {
  const write = (facts: object, message: string): void => console.error(message, JSON.stringify(facts));
  return { debug: write, info: write, warn: write, error: write };
}

function die(error: Error): never {
  throw error;
}
