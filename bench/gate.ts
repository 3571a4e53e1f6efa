import { HaleError } from '../src/base/error.ts';
import { createTestLink, netnsProblem, type TestLink } from '../test/support/netns.ts';
import { openDeadline } from '../src/drivers/linux/deadline.ts';
import { linkByName } from '../src/drivers/linux/links.ts';
import { LATENESS_METHOD, lateness, type LatenessSubject } from './gate-lateness.ts';
import { ADDRESS, LOCKS } from './gate-lock.ts';
import { packets, PACKETS_METHOD, type PacketSubject } from './gate-packets.ts';
import { renewal, RENEWAL_METHOD, type RenewalSubject } from './gate-renewal.ts';
import { markdownTable } from './machine.ts';

const RENEWALS = 2000;
const RUNS = 40;

export interface GateResult {
  method: string[];
  /** Why there is no eBPF deadline here; absent when there is. */
  withoutDeadline?: string;
  renewal: RenewalSubject[];
  lateness: LatenessSubject[];
  packets: PacketSubject[];
}

export async function gate({ say, signal }: { say: (line: string) => void; signal: AbortSignal }): Promise<GateResult> {
  const problem = netnsProblem();
  if (problem !== undefined) throw new HaleError({ code: 'bench_no_namespaces', kind: 'world', message: problem });
  const link = createTestLink();
  try {
    link.host.run('ip', 'address', 'add', `${ADDRESS}/32`, 'dev', 'eth0');
    // Answers must not wait for a question of the host itself.
    link.host.run('ip', 'neighbor', 'replace', link.peer.address4, 'lladdr', link.peer.mac, 'dev', 'eth0', 'nud', 'permanent');
    const withoutDeadline = deadlineProblem(link);
    const locks = withoutDeadline === undefined ? LOCKS : (['table'] as const);
    return {
      method: [...RENEWAL_METHOD, ...LATENESS_METHOD, ...PACKETS_METHOD],
      ...(withoutDeadline === undefined ? {} : { withoutDeadline }),
      renewal: await renewal({ link, locks, renewals: RENEWALS, say, signal }),
      lateness: await lateness({ link, locks, runs: RUNS, say, signal }),
      packets: packets({ link, locks, say }),
    };
  } finally {
    link.remove();
  }
}

function deadlineProblem({ host }: TestLink): string | undefined {
  const opened = host.inside(() => openDeadline({ linkIndex: linkByName('eth0').index, addresses: [ADDRESS] }));
  if (opened.ok) opened.deadline.close();
  return opened.ok ? undefined : opened.reason;
}

export function renderGate({ method, withoutDeadline, ...result }: GateResult): string {
  const late = result.lateness.flatMap(({ name, profile, runs, arpMs, tcpMs, probeGapMs }) =>
    [
      { kind: 'ARP', of: arpMs },
      { kind: 'TCP', of: tcpMs },
    ].map(({ kind, of }) => [`${name}, ${profile}, ${kind}`, runs, of.median, of.p10, of.p90, of.max, probeGapMs]),
  );
  return [
    '## Gate: the lease in the kernel of one host',
    '',
    ...(withoutDeadline === undefined ? [] : [`No eBPF deadline on this machine: ${withoutDeadline}`, '']),
    markdownTable(
      ['one renewal, in microseconds', 'CPU, median', 'CPU, p99', 'passed, median', 'passed, p99', 'renewals'],
      result.renewal.map(({ name, cpuUs, wallUs, renewals }) => [name, cpuUs.median, cpuUs.p99, wallUs.median, wallUs.p99, renewals]),
    ),
    markdownTable(['last answer after the lease, in ms', 'runs', 'median', 'p10', 'p90', 'max', 'prober held up, max'], late),
    markdownTable(
      ['one packet, in nanoseconds', 'to the address', 'to the host itself'],
      result.packets.map(({ name, nsPerPacket }) => [name, nsPerPacket.shared, nsPerPacket.own]),
    ),
    '- Wanted: the address dead at most 10 ms after the lease; microseconds for a renewal.',
    ...method.map((line) => `- ${line}`),
    '',
  ].join('\n');
}
