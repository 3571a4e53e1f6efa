import { randomInt } from 'node:crypto';
import { HaleError } from '../base/error.ts';

export type LabFamilies = '4' | '6' | '46';

export interface HostPlan {
  name: string;
  /** Without prefix length; IPv4 first. */
  addresses: readonly string[];
  mac: string;
  /** Failure domain, for control-plane hosts. */
  zone?: string;
}

/** What a lab is made of; fixed when it is created, and kept in lab.json. */
export interface LabPlan {
  name: string;
  families: LabFamilies;
  /** Timing profile of the agents. */
  profile: string;
  controlPlane: readonly HostPlan[];
  client: HostPlan;
  endpoint: { addresses: readonly string[]; port: number; dnsName: string };
  /** Addresses that nobody has, one of each family, for a drill to ask from. */
  observerAddresses: readonly string[];
  apiserver: { kind: 'kube-apiserver'; path: string; version: string } | { kind: 'stand-in' };
  etcd: { path: string; version: string };
  /** Keeps the members of one lab from ever joining those of an earlier one with the same addresses. */
  etcdToken: string;
  createdAt: string;
}

export const APISERVER_PORT = 6443;
const ENDPOINT_PORT = 8443;
const ZONES = ['a', 'b', 'c'];

export function planLab(options: {
  name: string;
  hosts: number;
  families: LabFamilies;
  profile: string;
  apiserver: LabPlan['apiserver'];
  etcd: LabPlan['etcd'];
}): LabPlan {
  if (![3, 5, 7].includes(options.hosts)) {
    throw new HaleError({
      code: 'lab_hosts_invalid',
      kind: 'usage',
      message: `a lab of ${options.hosts} control-plane hosts has no useful majority`,
      remedy: 'choose 3, 5 or 7',
    });
  }
  const { hosts, families, ...rest } = options;
  const controlPlane = Array.from({ length: hosts }, (_, i) => ({
    name: `cp${i + 1}`,
    addresses: addressesOf(families, { v4: 11 + i, v6: `${11 + i}` }),
    mac: macOf(1 + i),
    zone: ZONES[i % ZONES.length] as string,
  }));
  return {
    ...rest,
    families,
    controlPlane,
    client: { name: 'client', addresses: addressesOf(families, { v4: 200, v6: '200' }), mac: macOf(200) },
    endpoint: {
      addresses: addressesOf(families, { v4: 100, v6: '100' }),
      port: ENDPOINT_PORT,
      dnsName: `api.${options.name}.hale.test`,
    },
    observerAddresses: addressesOf(families, { v4: 250, v6: '250' }),
    etcdToken: `${options.name}-${randomInt(2 ** 47).toString(36)}`,
    createdAt: new Date().toISOString(),
  };
}

export function hostPlans(plan: LabPlan): HostPlan[] {
  return [...plan.controlPlane, plan.client];
}

/** The address with the length of its subnet, as `ip addr add` and cluster.yaml write it. */
export function withPrefixLength(address: string): string {
  return address.includes(':') ? `${address}/64` : `${address}/24`;
}

/** The IPv6 interface identifier repeats the decimal digits of the IPv4 host part, so that both read alike. */
function addressesOf(families: LabFamilies, host: { v4: number; v6: string }): string[] {
  const addresses: string[] = [];
  if (families.includes('4')) addresses.push(`10.66.0.${host.v4}`);
  if (families.includes('6')) addresses.push(`fd66::${host.v6}`);
  return addresses;
}

/** Locally administered, "hale" in ASCII, then the index. */
function macOf(index: number): string {
  return `02:68:61:6c:65:${index.toString(16).padStart(2, '0')}`;
}
