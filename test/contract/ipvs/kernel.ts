/** What the kernel has, read from its text files and not with the code under test; and another program that uses IPVS. */
import { readFileSync } from 'node:fs';
import { openTable } from '../../../src/drivers/linux/ipvs/table.ts';
import type { IpvsRequest } from '../../../src/drivers/linux/ipvs/codec.ts';

/** Lines of /proc/net/ip_vs (ip_vs_ctl.c, ip_vs_info_seq_show): `TCP 0A4D0064:192B lc` and, indented, `-> 0A4D0001:192B Masq 1`, without counters. */
export function table(): string[] {
  return readFileSync('/proc/thread-self/net/ip_vs', 'latin1')
    .split('\n')
    .slice(3)
    .filter((line) => line !== '')
    .map((line) =>
      line
        .trim()
        .replace(/^(-> \S+\s+\S+\s+\d+).*/, '$1')
        .replaceAll(/\s+/g, ' '),
    );
}

/** Clients and servers of the connections, in hexadecimal. */
export function connectionLines(): string[] {
  return readFileSync('/proc/thread-self/net/ip_vs_conn', 'latin1')
    .split('\n')
    .slice(1)
    .filter((line) => line.startsWith('TCP'));
}

export function sysctl(name: string): string {
  return readFileSync(`/proc/sys/net/ipv4/vs/${name}`, 'utf8').trim();
}

/** Another program changes the table. */
export function meddle(...requests: IpvsRequest[]): void {
  const other = openTable();
  const answer = other.change(requests);
  other.close();
  if (!answer.ok) throw new Error(answer.reason);
}

/** Of the counters of the virtual server at 10.77.0.100: connections that were scheduled here. */
export function scheduled(): number {
  const other = openTable();
  const services = other.services();
  other.close();
  if (!Array.isArray(services)) throw new Error(services.reason);
  return services.reduce((sum, service) => sum + (service.counters?.connections ?? 0), 0);
}
