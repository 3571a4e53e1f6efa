/** The two instruments of a drill, side by side in the client's host: requests and connections as a client makes them, and the watch over all hosts. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { familyOf } from '../../base/address.ts';
import type { DrillRecord } from '../../core/drill/record.ts';
import { all } from '../command.ts';
import { APISERVER_CA } from '../credentials.ts';
import type { Lab } from '../lab.ts';
import { startProbe, startWatch } from '../probe/process.ts';

export const PROBE_INTERVAL_MS = 5;
const REQUEST_TIMEOUT_MS = 1000;

export interface Instruments {
  /** Ends both recordings and returns what they hold. */
  stop(): Promise<Omit<DrillRecord, 'marks'>>;
  /** Ends both processes, and drops what they recorded. */
  abandon(): Promise<void>;
}

/** Resolves when both run, the long-lived connections open. */
export async function startInstruments(lab: Lab, { connections }: { connections: number }): Promise<Instruments> {
  const folder = join(lab.folder, 'drills');
  mkdirSync(folder, { recursive: true });
  const prefix = lab.client.command([]);
  const outFile = (kind: string): string => join(folder, `${Math.round(lab.now())}-${kind}`);
  const { addresses, port, dnsName } = lab.plan.endpoint;
  const address = addresses[0] as string;
  const watch = await startWatch(prefix, {
    address,
    port,
    interface: 'eth0',
    source: lab.plan.observerAddresses.find((candidate) => familyOf(candidate) === familyOf(address)) as string,
    hosts: lab.controlPlane.map(({ name, mac }) => ({ name, mac })),
    outFile: outFile('watch.json'),
  });
  const probe = await startProbe(prefix, {
    address,
    port,
    serverName: dnsName,
    caFile: `/${APISERVER_CA}`,
    intervalMs: PROBE_INTERVAL_MS,
    timeoutMs: REQUEST_TIMEOUT_MS,
    connections,
    outFile: outFile('probe.ndjson'),
  }).catch(async (error: unknown) => {
    await watch.abandon();
    throw error;
  });
  return {
    stop: async () => {
      const [recording, watched] = await Promise.all([probe.stop(), watch.stop()]);
      return { ...recording, watch: watched };
    },
    abandon: async () => void (await all([probe.abandon(), watch.abandon()])),
  };
}
