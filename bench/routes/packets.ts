/** When packets for the shared address reach a host straight from the router, by tcpdump on that host. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LabHost } from '../../src/lab/host.ts';
import type { Lab } from '../../src/lab/lab.ts';
import { stopDaemon } from '../../src/lab/stop.ts';
import { untilWithin } from '../../test/support/hale.ts';
import { requireProgram } from '../program.ts';

const NAME = 'tcpdump';
const START_MS = 10_000;

/** Ends the recording; times are milliseconds of CLOCK_BOOTTIME, ascending. */
export type StopPackets = () => Promise<number[]>;

export async function recordPackets(lab: Lab, host: LabHost): Promise<StopPackets> {
  const { client, plan } = lab;
  // By the MAC address too: what other hosts steer here has their own; and the drill's watch asks from another IP address.
  const filter = `ether src ${client.mac} and src host ${client.addresses[0]} and dst host ${plan.endpoint.addresses[0]} and tcp`;
  await host.spawn(NAME, [requireProgram(NAME), '-i', 'eth0', '-n', '-q', '-tt', '-l', '-s', '96', filter]);
  const log = () => readFileSync(join(host.folder, 'log', `${NAME}.log`), 'utf8');
  await untilWithin(START_MS, { look: log, wanted: (text) => text.includes('listening on'), what: `tcpdump listens on ${host.name}` });
  return async () => {
    const offsetMs = Date.now() - lab.now();
    await stopDaemon(host, NAME);
    return packetTimes(log(), { offsetMs });
  };
}

/** Of tcpdump's lines with `-tt`, which begin with seconds since 1970. */
export function packetTimes(log: string, { offsetMs }: { offsetMs: number }): number[] {
  return log.split('\n').flatMap((line) => {
    const seconds = /^(\d+\.\d{6}) IP/.exec(line)?.[1];
    return seconds === undefined ? [] : [Number(seconds) * 1000 - offsetMs];
  });
}
