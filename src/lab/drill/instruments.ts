/**
 * The instruments of a drill, side by side in the client's host: the watch over all hosts, a client's requests, and its long-lived connections.
 * These have a process of their own: when all of them end at once, that must not hold up the requests, which would measure it.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { familyOf } from '../../base/address.ts';
import type { Observations } from '../../core/drill/record.ts';
import { all, runOrFail } from '../command.ts';
import { APISERVER_CA } from '../credentials.ts';
import type { Lab } from '../lab.ts';
import type { ProbeOptions } from '../probe/options.ts';
import { type Instrument, startFleet, startProbe, startWatch } from '../probe/process.ts';

export const PROBE_INTERVAL_MS = 5;
const REQUEST_TIMEOUT_MS = 1000;

/**
 * Source ports of the clients: slices of a range below the ports of the watch, each used again after more than a TIME-WAIT of 60 s. The longest
 * drill, of 30 s, takes 6000 for its requests and 1900 for its connections and a fleet that loses each of its own.
 */
const PORTS = { first: 10_000, slice: 8500, slices: 6, sliceMs: 12_000 };

/** What two cores bear beside three API servers and the probe: 10 writes a second, of which each goes to 500 watchers. */
const FLEET = {
  certFile: '/etc/kubernetes/pki/admin.crt',
  keyFile: '/etc/kubernetes/pki/admin.key',
  watchers: 500,
  writers: 50,
  writesPerSecond: 0.2,
  getEveryMs: 100,
  // A silent connection is noticed after 45 s; then it takes a moment to open another.
  settleMs: 60_000,
};

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
  return { address: addresses[0] as string, port, serverName: dnsName, caFile: `/${APISERVER_CA}`, timeoutMs: REQUEST_TIMEOUT_MS };
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
    const fleet = options.fleet ? await startFleet(prefix, { ...server, ...FLEET, outFile: outFile('fleet.json') }) : undefined;
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

/**
 * A host that held the address a minute ago may have connections of an earlier drill in TIME-WAIT. A connection of this drill with the same
 * port would get an ACK from it after the address returned, where a host that does not know it resets it, and would hang.
 */
async function takeFreshPorts(lab: Lab): Promise<void> {
  const first = PORTS.first + PORTS.slice * (Math.floor(lab.now() / PORTS.sliceMs) % PORTS.slices);
  const range = `${first} ${first + PORTS.slice - 1}`;
  await runOrFail(lab.client.command(['sh', '-c', 'echo "$1" >/proc/sys/net/ipv4/ip_local_port_range', 'sh', range]));
}
