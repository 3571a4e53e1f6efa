/** Connections through IPVS, as /proc/net/ip_vs_conn tells them (net/netfilter/ipvs/ip_vs_conn.c, ip_vs_conn_seq_show). */
import { closeSync, openSync, readSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { formatIp } from '../../../base/address.ts';
import { done, type Effect } from '../../../ports/effect.ts';
import type { FlowSource } from '../../../ports/flows.ts';
import type { End } from './codec.ts';
import { isSame } from './desired.ts';

export interface IpvsConnection {
  client: End;
  frontend: End;
  server: End;
  /** After the handshake and before the end, also when one side has closed. */
  established: boolean;
}

/** Names of ip_vs_proto_tcp.c, tcp_state_name_table. */
const ESTABLISHED = new Set(['ESTABLISHED', 'FIN_WAIT', 'CLOSE_WAIT', 'LAST_ACK']);
const READ_BYTES = 16_384;

/** All TCP connections through IPVS of this network namespace, some dozens a step: there may be many of others. */
function* connectionSlices(): Generator<IpvsConnection[], Effect, void> {
  let file: number | undefined;
  try {
    file = openSync('/proc/thread-self/net/ip_vs_conn', 'r');
    const buffer = Buffer.alloc(READ_BYTES);
    let rest = '';
    for (let length = readSync(file, buffer); length > 0; length = readSync(file, buffer)) {
      const text = rest + buffer.toString('latin1', 0, length);
      const end = text.lastIndexOf('\n') + 1;
      rest = text.slice(end);
      yield parseConnections(text.slice(0, end));
    }
    return done;
  } catch (error) {
    return { ok: false, reason: `connections through IPVS: ${(error as Error).message}` };
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/** Those that `belongs` picks, with pauses, so that the thread is never kept for long. */
export async function readConnections(belongs: (connection: IpvsConnection) => boolean): Promise<IpvsConnection[]> {
  const found: IpvsConnection[] = [];
  for (const slice of connectionSlices()) {
    found.push(...slice.filter(belongs));
    await setImmediate();
  }
  return found;
}

/** Which clients are connected through this host. */
export function ipvsFlows(frontends: readonly End[]): FlowSource {
  return {
    *list() {
      const slices = connectionSlices();
      for (let step = slices.next(); ; step = slices.next()) {
        if (step.done) return step.value;
        const ours = step.value.filter(({ frontend, established }) => established && frontends.some((other) => isSame(other, frontend)));
        // Of this host itself come connections from the address to the address: they end with the host.
        yield ours.filter(({ client, frontend }) => client.address !== frontend.address).map(({ client }) => client);
      }
    },
  };
}

/** Lines that tell something else, or another protocol, are passed over. */
export function parseConnections(text: string): IpvsConnection[] {
  return text.split('\n').flatMap((line) => {
    const [protocol, ...words] = line.trim().split(/ +/);
    if (protocol !== 'TCP') return [];
    const [client, frontend, server] = [0, 2, 4].map((at) => parseEnd(words[at], words[at + 1]));
    if (client === undefined || frontend === undefined || server === undefined) return [];
    return [{ client, frontend, server, established: ESTABLISHED.has(words[6] ?? '') }];
  });
}

/** `0A4D0064` or eight groups of IPv6, and a port of four digits. */
function parseEnd(address = '', port = ''): End | undefined {
  const digits = address.replaceAll(':', '');
  if (!/^(?:[\da-f]{8}|[\da-f]{32})$/i.test(digits) || !/^[\da-f]{4}$/i.test(port)) return undefined;
  return { address: formatIp(Buffer.from(digits, 'hex')), port: Number.parseInt(port, 16) };
}
