import { familyOf } from '../../../base/address.ts';
import type { Explanation } from '../../../ports/datapath.ts';
import type { Counters, RealServer } from './codec.ts';
import { isSame, nameOf, SCHEDULER } from './desired.ts';
import { type MasqueradeRule, readMasquerade } from './masquerade.ts';
import { excludeAdvice } from './removal-watch.ts';
import { forwardingProblem, wrongSettings } from './settings.ts';
import { type IpvsTable, openLoadedTable } from './table.ts';

/** What of the `ipvs` datapath is in the kernel, read without an agent; undefined when nothing is. Runs `nft`. */
export function explainIpvs(): Explanation | undefined {
  const rules = readMasquerade();
  if (rules === undefined) return undefined;
  const table = openLoadedTable();
  const parts = rules.map((rule) => explainFrontend(table, rule));
  table?.close();
  return {
    part: 'ipvs',
    says: parts.flatMap(({ says }) => says),
    counters: [...parts.flatMap(({ counters }) => counters), ...rules.map(masqueraded)],
    problems: [...parts.flatMap(({ problems }) => problems), ...parameterProblems(rules)],
  };
}

type Part = Pick<Explanation, 'says' | 'counters' | 'problems'>;

function explainFrontend(table: IpvsTable | undefined, frontend: MasqueradeRule): Part {
  const name = nameOf(frontend);
  const services = table?.services();
  const service = Array.isArray(services) ? services.find((other) => isSame(other, frontend)) : undefined;
  const listed = service === undefined ? [] : table?.servers(service);
  const servers = Array.isArray(listed) ? listed : [];
  if (service === undefined) {
    return { says: [], counters: [], problems: [{ what: `virtual server ${name} is missing`, fix: excludeAdvice(name) }] };
  }
  return {
    says: [
      `A connection to ${name} goes to the real server with the fewest connections among those with weight 1 (IPVS, scheduler ${service.scheduler}).`,
      ...servers.map(sentence),
      'On its way to another host it gets an address of this host as its source, so that the answers come back through here.',
    ],
    counters: [
      counter(`virtual server ${name}`, service.counters),
      ...servers.map((server) => counter(`real server ${nameOf(server)}`, server.counters)),
    ],
    problems: service.scheduler === SCHEDULER ? [] : [{ what: `virtual server ${name} has the scheduler ${service.scheduler}`, fix: null }],
  };
}

function sentence(server: RealServer): string {
  const state = server.weight > 0 ? 'takes new connections' : 'keeps its connections and takes no new ones';
  return `Real server ${nameOf(server)} ${state} (weight ${server.weight}, ${server.active} established).`;
}

function counter(what: string, counters: Counters | undefined): Explanation['counters'][number] {
  return { what, packets: null, bytes: null, connections: null, ...counters };
}

function masqueraded({ packets, bytes, ...frontend }: MasqueradeRule): Explanation['counters'][number] {
  // Netfilter looks at the first packet of a connection only.
  return { what: `connections to ${nameOf(frontend)} masqueraded: first packets`, packets, bytes, connections: packets };
}

function parameterProblems(rules: readonly MasqueradeRule[]): Explanation['problems'] {
  const families = new Set(rules.map(({ address }) => familyOf(address)));
  const closed = [...families].flatMap((family) => forwardingProblem(family) ?? []);
  return [
    ...wrongSettings().map(({ name, found, wanted }) => ({ what: `${name} is ${found}`, fix: `sysctl -w ${name}=${wanted}` })),
    ...closed.map((name) => ({ what: `${name} is not 1: answers from other hosts do not pass`, fix: `sysctl -w ${name}=1` })),
  ];
}
