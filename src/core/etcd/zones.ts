import { formatIp, parseIp } from '../../base/address.ts';
import { parseEtcdUrl } from './url.ts';
import type { EtcdView } from './view.ts';

/** What a cluster description says of a host. */
export interface ZonedHost {
  name: string;
  addresses: readonly { address: string }[];
  zone?: string;
}

/** A failure domain and the voters in it. */
export interface EtcdZone {
  zone: string;
  voters: string[];
  /** Of them, those that answer and know a leader. */
  alive: number;
  /** Without them the quorum is lost. */
  costsQuorum: boolean;
}

/** The zones that voters are in, by name; empty where the description names none. */
export function zonesOf({ members, quorum }: EtcdView, hosts: readonly ZonedHost[]): EtcdZone[] {
  const zones = new Map<string, EtcdZone>();
  for (const { name, peerUrls, clientUrls, isLearner, status } of members) {
    const zone = hostOf({ name, urls: [...peerUrls, ...clientUrls] }, hosts)?.zone;
    if (zone === undefined || isLearner) continue;
    const known = zones.get(zone) ?? { zone, voters: [], alive: 0, costsQuorum: false };
    known.voters.push(name);
    if (status?.leaderId !== undefined) known.alive++;
    zones.set(zone, known);
  }
  const all = [...zones.values()].map((zone) => ({ ...zone, costsQuorum: quorum.alive - zone.alive < quorum.needed }));
  return all.toSorted((a, b) => (a.zone < b.zone ? -1 : 1));
}

/** What zones mean for the quorum, in a sentence; undefined where there are none, or nothing is left to lose. */
export function zonesText(zones: readonly EtcdZone[], { canLose }: EtcdView['quorum']): string | undefined {
  if (zones.length === 0 || canLose < 0) return undefined;
  const costly = zones.filter(({ costsQuorum }) => costsQuorum);
  if (costly.length === 0) return `any one zone of ${zones.map(({ zone }) => zone).join(', ')} may fail`;
  return `the quorum goes with zone ${costly.map(({ zone, voters }) => `${zone} (${voters.join(', ')})`).join(', or with zone ')}`;
}

function hostOf({ name, urls }: { name: string; urls: readonly string[] }, hosts: readonly ZonedHost[]): ZonedHost | undefined {
  const places = urls.map((url) => canonical(parseEtcdUrl(url)?.host ?? ''));
  return hosts.find((host) => host.addresses.some(({ address }) => places.includes(address))) ?? hosts.find((host) => host.name === name);
}

function canonical(host: string): string {
  const bytes = parseIp(host);
  return bytes === undefined ? host : formatIp(bytes);
}
