import type { Facts } from '../facts.ts';
import type { HaproxyLine } from '../read/haproxy.ts';
import type { KeepalivedEntry } from '../read/keepalived.ts';
import { textAt } from '../read/yaml.ts';
import type { Span } from '../text-file.ts';
import { documentsOf, KUBEADM } from './documents.ts';
import { flagNamed, isOpen, programsNamed, valueAtFlag, variableNamed } from './flags.ts';
import { canonical, hostAndPort, isAddress, isLoopback } from './values.ts';

/* Which addresses the files of a set know, and as what. */

/** An address somewhere in the files. */
export interface Found {
  /** In its one textual form, or a name in lower case. */
  host: string;
  port: number | undefined;
  at: Span;
}

export interface VirtualAddress extends Found {
  by: 'kube-vip' | 'keepalived' | 'lvscare';
}

/** Addresses that move, or that exist on every node: what kube-vip, keepalived and lvscare serve. */
export function virtualAddresses(facts: Facts): VirtualAddress[] {
  const ofKubeVip = programsNamed(facts, 'kube-vip').flatMap((program) => {
    const flags = [variableNamed(program, 'address') ?? variableNamed(program, 'vip_address'), flagNamed(program, 'address')];
    return flags.flatMap((flag) => (flag?.value === undefined ? [] : found(flag.value, valueAtFlag(flag))));
  });
  const ofLvscare = programsNamed(facts, 'lvscare').flatMap((program) => {
    const flag = flagNamed(program, 'vs');
    return flag?.value === undefined ? [] : found(flag.value, valueAtFlag(flag));
  });
  const ofKeepalived = facts.keepalived.flatMap(({ entries }) => keepalivedAddresses(entries));
  return [
    ...ofKubeVip.map((one) => ({ ...one, by: 'kube-vip' as const })),
    ...ofKeepalived.map((one) => ({ ...one, by: 'keepalived' as const })),
    ...ofLvscare.map((one) => ({ ...one, by: 'lvscare' as const })),
  ];
}

function found(text: string, at: Span): Found[] {
  const split = isOpen(text) ? undefined : hostAndPort(text);
  return split === undefined ? [] : [{ ...split, at }];
}

function keepalivedAddresses(entries: readonly KeepalivedEntry[]): Found[] {
  const lists = entries
    .filter(({ words }) => words[0] === 'vrrp_instance')
    .flatMap(({ block }) => (block ?? []).filter(({ words }) => words[0] === 'virtual_ipaddress'));
  return lists.flatMap(({ block }) =>
    (block ?? []).flatMap(({ words, spans }) => {
      const address = words[0]?.replace(/\/.*$/, '');
      return address !== undefined && isAddress(address) ? [{ host: canonical(address), port: undefined, at: spans[0] as Span }] : [];
    }),
  );
}

/** kubeadm's controlPlaneEndpoint, of each ClusterConfiguration. */
export function endpoints(facts: Facts): Found[] {
  return documentsOf(facts, KUBEADM, 'ClusterConfiguration').flatMap((document) => {
    const text = textAt(document.value, ['controlPlaneEndpoint']);
    return text === undefined ? [] : found(text, document.span(['controlPlaneEndpoint']));
  });
}

/** Addresses of single control-plane nodes: what API servers advertise, and what balancers send connections to. */
export function nodeAddresses(facts: Facts): Found[] {
  return [...advertised(facts), ...backends(facts), ...etcdMembers(facts), ...ofNodes(facts)];
}

/** What each API server says is its own address. */
export function advertised(facts: Facts): Found[] {
  const ofKubeadm = [
    ...documentsOf(facts, KUBEADM, 'InitConfiguration').map((document) => ({ document, path: ['localAPIEndpoint', 'advertiseAddress'] })),
    ...documentsOf(facts, KUBEADM, 'JoinConfiguration').map((document) => ({
      document,
      path: ['controlPlane', 'localAPIEndpoint', 'advertiseAddress'],
    })),
  ].flatMap(({ document, path }) => found(textAt(document.value, path) ?? '', document.span(path)));
  const ofPrograms = programsNamed(facts, 'kube-apiserver', 'k3s', 'rke2').flatMap((program) =>
    ['advertise-address', 'node-ip'].flatMap((name) => {
      const flag = flagNamed(program, name);
      return flag?.value === undefined ? [] : flag.value.split(',').flatMap((one) => found(one, valueAtFlag(flag)));
    }),
  );
  return [...ofKubeadm, ...ofPrograms].filter(({ host }) => !isLoopback(host) && host !== '0.0.0.0');
}

/** Ports of API servers: 6443, and what files say else. */
function isApiPort(port: number | undefined): boolean {
  return port === 6443 || port === 9345;
}

/** The servers behind HAProxy, nginx and lvscare on an API server's port. */
export function backends(facts: Facts): Found[] {
  const ofHaproxy = facts.haproxy.flatMap(({ sections }) => sections.flatMap(({ lines }) => lines.flatMap(serverOf)));
  const ofLvscare = programsNamed(facts, 'lvscare').flatMap(({ flags }) =>
    flags.flatMap((flag) => (flag.name === 'rs' && flag.value !== undefined ? found(flag.value, valueAtFlag(flag)) : [])),
  );
  const ofNginx = facts.nginx.flatMap(({ entries }) => upstreamServers(entries));
  return [...ofHaproxy, ...ofLvscare, ...ofNginx].filter(({ host, port }) => isApiPort(port) && !isLoopback(host));
}

function serverOf({ words, spans }: HaproxyLine): Found[] {
  return words[0] === 'server' && words[2] !== undefined ? found(words[2], spans[2] as Span) : [];
}

function upstreamServers(entries: readonly KeepalivedEntry[]): Found[] {
  return entries.flatMap(({ words, spans, block }) => {
    const inner = upstreamServers(block ?? []);
    return words[0] === 'server' && block === undefined && words[1] !== undefined
      ? [...found(words[1], spans[1] as Span), ...inner]
      : inner;
  });
}

/** URLs of etcd's members, by the flags that say them. */
export function etcdMembers(facts: Facts): Found[] {
  return programsNamed(facts, 'etcd')
    .flatMap((program) =>
      ['initial-advertise-peer-urls', 'advertise-client-urls'].flatMap((name) => {
        const flag = flagNamed(program, name);
        return flag?.value === undefined ? [] : flag.value.split(',').flatMap((url) => found(url, valueAtFlag(flag)));
      }),
    )
    .filter(({ host }) => !isLoopback(host) && host !== '0.0.0.0');
}

function ofNodes(facts: Facts): Found[] {
  return documentsOf(facts, 'v1', 'Node').flatMap((document) => {
    const addresses = (document.value as { status?: { addresses?: { type?: unknown; address?: unknown }[] } }).status?.addresses;
    return (Array.isArray(addresses) ? addresses : []).flatMap(({ type, address }, i) =>
      type === 'InternalIP' && typeof address === 'string' ? found(address, document.span(['status', 'addresses', i, 'address'])) : [],
    );
  });
}

/** The port that HAProxy and nginx take connections for the API on, with the place. */
export function frontPorts(facts: Facts): Found[] {
  const sections = facts.haproxy.flatMap((config) => config.sections);
  const proxies = new Set(
    sections.filter(({ lines }) => lines.some((line) => serverOf(line).some(({ port }) => isApiPort(port)))).map(({ name }) => name),
  );
  const fronts = sections.filter(
    ({ name, lines }) =>
      proxies.has(name) || lines.some(({ words }) => /^(?:default|use)_backend$/.test(words[0] ?? '') && proxies.has(words[1] ?? '')),
  );
  return fronts.flatMap(({ lines }) =>
    lines.flatMap(({ words, spans }) => {
      const bind = words[0] === 'bind' ? /^(.*):(\d+)$/.exec(words[1] ?? '') : null;
      if (bind === null) return [];
      const host = bind[1] === '' || bind[1] === '*' ? '0.0.0.0' : canonical((bind[1] as string).replaceAll(/[[\]]/g, ''));
      return [{ host, port: Number(bind[2]), at: spans[1] as Span }];
    }),
  );
}

/** Whether something in the set spreads connections over several API servers, or moves an address between them. */
export function hasBalancer(facts: Facts): boolean {
  return backends(facts).length > 1 || virtualAddresses(facts).length > 0;
}

/** Whether the files are of more than one control-plane node; a controlPlaneEndpoint alone does not say so. */
export function hasSeveralControlPlanes(facts: Facts): boolean {
  const joins = documentsOf(facts, KUBEADM, 'JoinConfiguration').some(({ value }) => (value as { controlPlane?: unknown }).controlPlane);
  return joins || hasBalancer(facts) || new Set(advertised(facts).map(({ host }) => host)).size > 1;
}
