/**
 * The instruments of a drill, side by side in the client's host: the watch over all hosts, a client's requests, and its long-lived connections.
 * These have a process of their own: when all of them end at once, that must not hold up the requests, which would measure it.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { familyOf } from '../../base/address.ts';
import type { FleetRecord } from '../../core/drill/fleet.ts';
import type { Observations } from '../../core/drill/record.ts';
import { all, runOrFail } from '../command.ts';
import { APISERVER_CA } from '../credentials.ts';
import type { Lab } from '../lab.ts';
import type { ProbeOptions } from '../probe/options.ts';
import type { FleetOptions } from '../probe/fleet/options.ts';
import { type Instrument, startFleet, startProbe, startWatch } from '../probe/process.ts';

export const PROBE_INTERVAL_MS = 5;
/** A real API server whose neighbour starts on the same two cores takes up to a second for a handshake, for which client-go waits 10 s. */
const REQUEST_TIMEOUT_MS = { standIn: 1000, real: 3000 };

/**
 * Source ports of the clients: slices of a range below the ports of the watch, each used again after more than a TIME-WAIT of 60 s. The longest
 * drill, of 30 s, takes 6000 for its requests and 1900 for its connections and a fleet that loses each of its own.
 */
const PORTS = { first: 10_000, slice: 8500, slices: 6, sliceMs: 12_000 };

/** What two cores bear beside three API servers and the probe: 5 writes a second, of which each goes to 500 watchers. */
const FLEET = {
  certFile: '/etc/kubernetes/pki/admin.crt',
  keyFile: '/etc/kubernetes/pki/admin.key',
  watchers: 500,
  writers: 50,
  writesPerSecond: 0.1,
  // A silent connection is noticed after 45 s; then it takes a moment to open another.
  settleMs: 60_000,
};
/** The clients of a real cluster are on other cores than its API servers, to whom a crowd that comes back would leave none. */
const CROWD_NICE = 10;
const GET_EVERY_MS = 100;

export interface Instruments {
  /** Ends the recordings and returns what they hold. */
  stop(): Promise<Observations>;
  /** Ends the processes, and drops what they recorded. */
  abandon(): Promise<void>;
}

/** Where an instrument writes what it records; with the lab it is gone. */
export function recordingFile(lab: Lab, kind: string): string {
  const folder = join(lab.folder, 'drills');
  mkdirSync(folder, { recursive: true });
  return join(folder, `${Math.round(lab.now())}-${kind}`);
}

/** What a client asks, and for how long it waits. */
export function requestsOf({ plan }: Lab): Pick<ProbeOptions, 'address' | 'port' | 'serverName' | 'caFile' | 'timeoutMs'> {
  const { addresses, port, dnsName } = plan.endpoint;
  const timeoutMs = REQUEST_TIMEOUT_MS['programs' in plan.kubernetes ? 'real' : 'standIn'];
  return { address: addresses[0] as string, port, serverName: dnsName, caFile: `/${APISERVER_CA}`, timeoutMs };
}

export interface InstrumentsOptions {
  /** Long-lived ones. */
  connections: number;
  /** Between two new requests. */
  intervalMs?: number;
  /** Whether clients of a real API server watch and write besides. */
  fleet?: boolean;
}

/** Resolves when all run, the long-lived connections and watches open. */
export async function startInstruments(lab: Lab, options: InstrumentsOptions): Promise<Instruments> {
  const { connections, intervalMs = PROBE_INTERVAL_MS } = options;
  await takeFreshPorts(lab);
  const prefix = lab.client.command([]);
  const outFile = (kind: string) => recordingFile(lab, kind);
  const client = requestsOf(lab);
  const { address, port } = client;
  const watch = await startWatch(prefix, {
    address,
    port,
    interface: 'eth0',
    source: lab.plan.observerAddresses.find((candidate) => familyOf(candidate) === familyOf(address)) as string,
    hosts: lab.controlPlane.map(({ name, mac }) => ({ name, mac })),
    outFile: outFile('watch.json'),
  });
  const server = { address, port, serverName: client.serverName, caFile: client.caFile };
  const started: Instrument<unknown>[] = [watch];
  const abandon = async (): Promise<void> => void (await all(started.map((instrument) => instrument.abandon())));
  try {
    const fleet = options.fleet ? await startClients(prefix, { server, outFile }) : undefined;
    if (fleet !== undefined) started.push(fleet);
    const connected = await startProbe(prefix, { ...client, intervalMs: null, connections, outFile: outFile('connections.ndjson') });
    started.push(connected);
    const probe = await startProbe(prefix, {
      ...client,
      intervalMs,
      connections: 0,
      outFile: outFile('requests.ndjson'),
    });
    started.push(probe);
    const stop = async (): Promise<Observations> => {
      const [{ connections: kept }, { requests, probeLagMs }, watched] = await Promise.all([connected.stop(), probe.stop(), watch.stop()]);
      return { requests, connections: kept, probeLagMs, watch: watched, ...(fleet && { fleet: await fleet.stop() }) };
    };
    return { stop, abandon };
  } catch (error) {
    await abandon();
    throw error;
  }
}

/** Watchers and writers in one process; in another the client that opens a connection for each GET, which would wait for them there. */
async function startClients(
  prefix: readonly string[],
  { server, outFile }: { server: Pick<FleetOptions, 'address' | 'port' | 'serverName' | 'caFile'>; outFile: (kind: string) => string },
): Promise<Instrument<FleetRecord>> {
  const common = { ...server, ...FLEET };
  const crowd = await startFleet(prefix, { ...common, getEveryMs: null, nice: CROWD_NICE, outFile: outFile('fleet.json') });
  const getting = { ...common, watchers: 0, writers: 0, getEveryMs: GET_EVERY_MS, outFile: outFile('gets.json') };
  const getter = await startFleet(prefix, getting).catch(async (error: unknown) => {
    await crowd.abandon();
    throw error;
  });
  return {
    pid: crowd.pid,
    stop: async () => {
      const [record, { gets }] = await Promise.all([crowd.stop(), getter.stop()]);
      return { ...record, gets };
    },
    abandon: async () => void (await all([crowd.abandon(), getter.abandon()])),
  };
}

/**
 * A host that held the address a minute ago may have connections of an earlier drill in TIME-WAIT. A connection of this drill with the same
 * port would get an ACK from it after the address returned, where a host that does not know it resets it, and would hang.
 */
async function takeFreshPorts(lab: Lab): Promise<void> {
  const first = PORTS.first + PORTS.slice * (Math.floor(lab.now() / PORTS.sliceMs) % PORTS.slices);
  const range = `${first} ${first + PORTS.slice - 1}`;
  await runOrFail(lab.client.command(['sh', '-c', 'echo "$1" >/proc/sys/net/ipv4/ip_local_port_range', 'sh', range]));
}
