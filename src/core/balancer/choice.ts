/** Which datapath a host uses, and why. */
import { listensOnEndpoint } from '../cluster/checks.ts';
import { shareLink } from '../cluster/holders.ts';
import type { Cluster } from '../cluster/schema.ts';

export type DatapathName = Exclude<Cluster['datapath'], 'auto'>;

/** What stands against a datapath on this host, in words; absent when nothing does. */
export type Against = Partial<Record<DatapathName, string>>;

export interface Choice {
  datapath: DatapathName;
  /** For people: `hale status` shows it. */
  because: string;
}

/** Best first. IPVS is for those who ask for it. */
const ORDER: readonly DatapathName[] = ['dsr', 'nat', 'proxy'];

/** What the cluster description alone says against datapaths. */
export function againstBy(cluster: Cluster): Against {
  const { endpoint, apiserver, advertise, election, vrrp } = cluster;
  const frames =
    advertise !== 'arp' && !shareLink(cluster)
      ? 'the hosts are in different subnets'
      : election === 'vrrp' && vrrp.virtualMac
        ? 'with vrrp.virtualMac frames do not have the MAC address of their host'
        : undefined;
  if (listensOnEndpoint(cluster)) {
    return {
      ...(frames === undefined ? {} : { dsr: frames }),
      proxy: `the API server holds port ${endpoint.port} on all addresses, so a proxy cannot listen there`,
    };
  }
  return {
    dsr: `the API servers do not listen on port ${endpoint.port} of the address (apiserver.port ${apiserver.port}, apiserver.bind ${apiserver.bind})`,
  };
}

/** What is asked for, whatever stands against it; with `auto` the first that nothing stands against. Undefined when something stands against each. */
export function chooseDatapath(wanted: Cluster['datapath'], against: Against): Choice | undefined {
  if (wanted !== 'auto') return { datapath: wanted, because: 'cluster.yaml asks for it' };
  const datapath = ORDER.find((name) => against[name] === undefined);
  if (datapath === undefined) return undefined;
  const better = ORDER.slice(0, ORDER.indexOf(datapath)).map((name) => `not ${name}: ${against[name]}`);
  return { datapath, because: better.length === 0 ? 'auto: nothing stands against it' : `auto: ${better.join('; ')}` };
}
