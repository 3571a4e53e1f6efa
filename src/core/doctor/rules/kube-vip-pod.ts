import type { Facts } from '../facts.ts';
import { endpoints, virtualAddresses } from '../look/addresses.ts';
import { clusterMinor, documentsOf, nameOf } from '../look/documents.ts';
import { flagNamed, hostOf, isOn, isOpen, programsNamed, valueAtFlag, variableNamed } from '../look/flags.ts';
import { list } from '../look/values.ts';
import type { Program } from '../read/program.ts';
import { podSpecPath } from '../read/program-pods.ts';
import { listAt, mapAt, type Path, textAt, valueAt } from '../read/yaml.ts';
import type { Hit, Rule } from '../rule.ts';
import type { Span } from '../text-file.ts';
import { HOST_ALIAS, kubeVip, kubeVipDaemonSet } from './examples.ts';
import { kubeVips, settingOf } from './kube-vip.ts';

/* The Pod that kube-vip runs in: its rights, its credentials, and who else serves Services. */

interface Placed {
  program: Program;
  spec: Readonly<Record<string, unknown>>;
  path: Path;
  /** Of a part of the Pod's specification. */
  at: (path: Path, what?: 'key' | 'value') => Span;
}

function* pods(facts: Facts): Iterable<Placed> {
  for (const program of kubeVips(facts)) {
    const { document } = program;
    const path = document === undefined ? undefined : podSpecPath(document);
    if (document === undefined || path === undefined) continue;
    yield { program, path, spec: mapAt(document.value, path), at: (inner, what) => document.span([...path, ...inner], what) };
  }
}

/** The kubeconfig of the host that kube-vip is given. */
function kubeconfigOf({ spec, at }: Placed): { path: string; at: Span } | undefined {
  for (const [i, volume] of listAt(spec, ['volumes']).entries()) {
    const path = textAt(volume, ['hostPath', 'path']);
    if (path !== undefined && /\.(?:conf|yaml|kubeconfig)$/.test(path)) return { path, at: at(['volumes', i, 'hostPath', 'path']) };
  }
  return undefined;
}

function* weakPods(facts: Facts): Iterable<Hit> {
  for (const { spec, at } of pods(facts))
    for (const [i, container] of listAt(spec, ['containers']).entries()) {
      if (!/kube-vip/.test(textAt(container, ['image']) ?? '') || textAt(container, ['securityContext', 'privileged']) === 'true') continue;
      const added = listAt(container, ['securityContext', 'capabilities', 'add']).map((one) => String(one).replace(/^CAP_/, ''));
      const dropped = listAt(container, ['securityContext', 'capabilities', 'drop']).map(String);
      const needed = dropped.includes('ALL') || dropped.includes('NET_RAW') ? ['NET_ADMIN', 'NET_RAW'] : ['NET_ADMIN'];
      const missing = added.includes('ALL') ? [] : needed.filter((one) => !added.includes(one));
      if (missing.length > 0)
        yield { at: at(['containers', i, 'securityContext', 'capabilities', 'add'], 'key'), message: `kube-vip has no ${list(missing)}` };
    }
}

const CONTROL_PLANE_TAINT = /^node-role\.kubernetes\.io\/(?:control-plane|master)$/;

function* untolerated(facts: Facts): Iterable<Hit> {
  for (const { program, spec, at } of pods(facts)) {
    if (program.document?.kind !== 'DaemonSet' || !isOn(settingOf(program, 'cp_enable'))) continue;
    const tolerations = listAt(spec, ['tolerations']);
    const isTolerated = tolerations.some((one) => {
      const key = textAt(one, ['key']);
      return (
        (key === undefined ? textAt(one, ['operator']) === 'Exists' : CONTROL_PLANE_TAINT.test(key)) &&
        textAt(one, ['effect']) !== 'NoExecute'
      );
    });
    if (!isTolerated) yield { at: at(['tolerations'], 'key'), message: 'the DaemonSet does not tolerate the taint of control-plane nodes' };
  }
}

/** What the Lease takes, and what 0.9 and later watch. */
const VERBS: readonly { resource: string; verbs: readonly string[]; isNeeded: (program: Program) => boolean }[] = [
  { resource: 'leases', verbs: ['get', 'create', 'update'], isNeeded: (program) => isOn(settingOf(program, 'vip_leaderelection')) },
  { resource: 'endpointslices', verbs: ['list', 'get', 'watch'], isNeeded: (program) => isOn(settingOf(program, 'svc_enable')) },
];

function* missingVerbs(facts: Facts): Iterable<Hit> {
  const programs = kubeVips(facts);
  for (const role of documentsOf(facts, 'rbac.authorization.k8s.io/', 'ClusterRole')) {
    if (!/kube-vip/.test(nameOf(role))) continue;
    for (const { resource, verbs, isNeeded } of VERBS) {
      if (programs.length > 0 && !programs.some(isNeeded)) continue;
      const granted = listAt(role.value, ['rules']).flatMap((rule) => {
        const resources = listAt(rule, ['resources']);
        return resources.includes(resource) || resources.includes('*') ? listAt(rule, ['verbs']) : [];
      });
      const missing = granted.includes('*') ? [] : verbs.filter((verb) => !granted.includes(verb));
      if (missing.length > 0) yield { at: role.span(['rules'], 'key'), message: `the role does not allow to ${list(missing)} ${resource}` };
    }
  }
}

/** Whether some k3s in the set leaves its own balancer of Services on. */
function hasServiceLb(facts: Facts): boolean {
  const servers = programsNamed(facts, 'k3s').filter(({ flags, words }) => !words.some(({ text }) => text === 'agent') && flags.length > 0);
  return servers.some(({ flags }) => !flags.some(({ name, value }) => name === 'disable' && /(?:^|,)\s*servicelb/.test(value ?? '')));
}

function hasMetallb(facts: Facts): boolean {
  return (
    facts.documents.some(({ apiVersion, kind }) => apiVersion.startsWith('metallb.io/') && kind === 'IPAddressPool') ||
    facts.programs.some(({ image }) => /metallb\/speaker/.test(image?.text ?? ''))
  );
}

function* rivals(facts: Facts): Iterable<Hit> {
  const rival = hasServiceLb(facts) ? "k3s' servicelb" : hasMetallb(facts) ? 'MetalLB' : undefined;
  for (const program of kubeVips(facts)) {
    const flag = settingOf(program, 'svc_enable');
    if (rival !== undefined && flag !== undefined && isOn(flag) && !isOn(variableNamed(program, 'lb_class_only')))
      yield { at: flag.span, message: `svc_enable is on, and ${rival} serves the same Services` };
  }
}

const CONFIG = (path: string) => `  volumes: [{name: kubeconfig, hostPath: {path: ${path}}}]\n`;
const TOLERATED = '  tolerations: [{operator: Exists}]\n';
const ROLE = (rules: string) =>
  `apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: system:kube-vip-role}\nrules:\n${rules}`;
const LEASES = '- {apiGroups: [coordination.k8s.io], resources: [leases], verbs: [list, get, watch, update, create]}\n';
const SLICES = '- {apiGroups: [discovery.k8s.io], resources: [endpointslices], verbs: [list, get, watch, update]}\n';

export const kubeVipPodRules: readonly Rule[] = [
  {
    id: 'kube-vip-host-network',
    severity: 'error',
    title: 'kube-vip does not run in the network of the host',
    why: 'It then adds the address to an interface inside the Pod, where nobody can reach it.',
    fix: 'Set hostNetwork: true.',
    sources: ['kube-vip.io/docs/installation/static'],
    examples: {
      bad: [{ 'kube-vip.yaml': kubeVip().replace('hostNetwork: true', 'hostNetwork: false') }],
      good: [{ 'kube-vip.yaml': kubeVip() }],
    },
    *check(facts) {
      for (const { spec, program, at } of pods(facts))
        if (textAt(spec, ['hostNetwork']) !== 'true')
          yield { at: spec['hostNetwork'] === undefined ? program.at : at(['hostNetwork']), message: 'hostNetwork is not true' };
    },
  },
  {
    id: 'kube-vip-capabilities',
    severity: 'error',
    title: 'kube-vip may not change addresses or send ARP',
    why: 'It wins the election and cannot do anything with it: the address answers nowhere, while the logs say "operation not permitted".',
    fix: 'Add the capabilities NET_ADMIN and NET_RAW.',
    sources: ['kube-vip.io/docs/installation/static', 'kube-vip #382'],
    examples: {
      bad: [{ 'kube-vip.yaml': kubeVip({ securityContext: 'capabilities: {drop: [ALL], add: [NET_ADMIN]}' }) }],
      good: [{ 'kube-vip.yaml': kubeVip() }, { 'kube-vip.yaml': kubeVip({ securityContext: 'privileged: true' }) }],
    },
    check: weakPods,
  },
  {
    id: 'kube-vip-tolerations',
    severity: 'error',
    title: 'kube-vip is not scheduled on control-plane nodes',
    why: 'They have a taint that it does not tolerate, so the address is held by no node, or by a worker that has no API server.',
    fix: 'Add tolerations: [{operator: Exists, effect: NoSchedule}, {operator: Exists, effect: NoExecute}].',
    sources: ['kube-vip.io/docs/installation/daemonset'],
    examples: { bad: [{ 'kube-vip.yaml': kubeVipDaemonSet() }], good: [{ 'kube-vip.yaml': kubeVipDaemonSet({ more: TOLERATED }) }] },
    check: untolerated,
  },
  {
    id: 'kube-vip-role',
    severity: 'error',
    title: 'the role of kube-vip lacks something that it needs',
    why: 'The election or the watch of Services fails with "forbidden", over and over, and no address comes up.',
    fix: 'Take the role that belongs to the release: kube-vip manifest rbac.',
    sources: ['kube-vip, pkg/kubevip/config_generator.go'],
    examples: {
      bad: [{ 'rbac.yaml': ROLE(LEASES.replace(', create', '') + SLICES) }, { 'rbac.yaml': ROLE(LEASES) }],
      good: [{ 'rbac.yaml': ROLE(LEASES + SLICES) }, { 'rbac.yaml': ROLE(LEASES), 'kube-vip.yaml': kubeVip() }],
    },
    check: missingVerbs,
  },
  {
    id: 'kube-vip-services-twice',
    severity: 'error',
    title: 'kube-vip and another program both serve Services of type LoadBalancer',
    why: 'Both write the address into the Service and both answer for it, so it changes back and forth, or two hosts have it.',
    fix: 'Remove svc_enable, or disable the other (k3s: disable: [servicelb] on every server), or set lb_class_only.',
    sources: ['kube-vip.io/docs/usage/k3s', 'docs.k3s.io/networking/networking-services'],
    examples: {
      bad: [{ 'kube-vip.yaml': kubeVip({ env: { svc_enable: 'true' } }), '/etc/rancher/k3s/config.yaml': 'cluster-init: true\n' }],
      good: [
        {
          'kube-vip.yaml': kubeVip({ env: { svc_enable: 'true' } }),
          '/etc/rancher/k3s/config.yaml': 'cluster-init: true\ndisable: [servicelb]\n',
        },
      ],
    },
    check: rivals,
  },
  {
    id: 'kube-vip-admin-conf',
    severity: 'info',
    title: 'kube-vip uses admin.conf, which has no rights until kubeadm init is over',
    why: 'Since kubeadm 1.29, on the first node kube-vip cannot take its Lease, and init waits for an address that nobody holds. Up to 1.36 this stops every new cluster.',
    fix: 'On the init node only, mount /etc/kubernetes/super-admin.conf until kubeadm init is over, then admin.conf. Nodes that join, and running clusters, are right with admin.conf.',
    sources: ['kube-vip #684', 'kube-vip #938', 'kubernetes PR 138449'],
    examples: {
      bad: [{ 'kube-vip.yaml': kubeVip() + CONFIG('/etc/kubernetes/admin.conf') }],
      good: [
        {
          'init.yaml': kubeVip() + CONFIG('/etc/kubernetes/super-admin.conf'),
          'join.yaml': kubeVip() + CONFIG('/etc/kubernetes/admin.conf'),
        },
      ],
    },
    *check(facts) {
      const minor = clusterMinor(facts);
      const found = [...pods(facts)].map((pod) => ({ pod, config: kubeconfigOf(pod) }));
      if (
        (minor !== undefined && (minor < 29 || minor > 36)) ||
        found.some(({ config }) => config?.path.endsWith('super-admin.conf') === true)
      )
        return;
      const [first] = found.filter(({ pod, config }) => config?.path.endsWith('/admin.conf') === true && !pod.program.file.host);
      if (first?.config !== undefined)
        yield { at: first.config.at, message: 'kube-vip reads admin.conf, which has no rights during kubeadm init of 1.29 to 1.36' };
    },
  },
  {
    id: 'kube-vip-super-admin-conf',
    severity: 'info',
    title: 'kube-vip uses super-admin.conf',
    why: 'It is right while kubeadm init runs on the first node. Left there, a Pod in the network of the host holds credentials that no rule of RBAC can take away.',
    fix: 'When kubeadm init is over, mount /etc/kubernetes/admin.conf instead, and restart kube-vip.',
    sources: ['kubernetes.io/docs/reference/setup-tools/kubeadm/implementation-details, super-admin.conf'],
    examples: {
      bad: [{ 'kube-vip.yaml': kubeVip() + CONFIG('/etc/kubernetes/super-admin.conf') }],
      good: [{ 'kube-vip.yaml': kubeVip() + CONFIG('/etc/kubernetes/admin.conf') }],
    },
    *check(facts) {
      for (const pod of pods(facts)) {
        const config = kubeconfigOf(pod);
        if (config?.path.endsWith('super-admin.conf') === true)
          yield { at: config.at, message: 'kube-vip reads super-admin.conf, which is for the time of kubeadm init only' };
      }
    },
  },
  {
    id: 'kube-vip-election-through-address',
    severity: 'error',
    title: 'kube-vip reaches the API through the address that it is to elect a holder for',
    why: 'While nobody holds the address nobody can be elected, so it never comes back; a restart of all nodes at once is enough.',
    fix: 'In a static pod add hostAliases: [{ip: 127.0.0.1, hostnames: [kubernetes]}], so that each asks the API server of its own host; in a DaemonSet give it no KUBERNETES_SERVICE_HOST.',
    sources: ['dell/omnia PR 4992', 'kube-vip #1377', 'kube-vip.io/docs/installation/static'],
    examples: {
      bad: [
        { 'kube-vip.yaml': kubeVip() + CONFIG('/etc/kubernetes/admin.conf') },
        { 'kube-vip.yaml': kubeVipDaemonSet({ more: TOLERATED, env: { KUBERNETES_SERVICE_HOST: '10.0.0.100' } }) },
      ],
      good: [
        { 'kube-vip.yaml': kubeVip({ more: HOST_ALIAS }) + CONFIG('/etc/kubernetes/admin.conf') },
        { 'kube-vip.yaml': kubeVipDaemonSet({ more: TOLERATED }) },
      ],
    },
    *check(facts) {
      const moving = new Set(virtualAddresses(facts).map(({ host }) => host));
      for (const pod of pods(facts)) {
        const { program, spec } = pod;
        const host = variableNamed(program, 'KUBERNETES_SERVICE_HOST') ?? variableNamed(program, 'kubernetes_addr');
        if (host !== undefined && moving.has((host.value ?? '').replace(/^https:\/\/|:\d+$/g, '')))
          yield { at: valueAtFlag(host), message: `kube-vip reaches the API at ${host.value}, its own address` };
        const config = kubeconfigOf(pod);
        // The host's own /etc/hosts may have the name as well.
        const hasAlias =
          listAt(spec, ['hostAliases']).some((alias) => listAt(alias, ['hostnames']).includes('kubernetes')) ||
          listAt(spec, ['volumes']).some((volume) => textAt(volume, ['hostPath', 'path']) === '/etc/hosts');
        const isKubeadm = config !== undefined && /\/(?:super-)?admin\.conf$/.test(config.path);
        if (
          isKubeadm &&
          !hasAlias &&
          isOn(settingOf(program, 'vip_leaderelection')) &&
          variableNamed(program, 'kubernetes_addr') === undefined
        )
          yield {
            at: config.at,
            message: `kube-vip reads ${config.path}, which leads to the address itself, and has no host alias for kubernetes`,
          };
      }
    },
  },
  {
    id: 'kube-vip-in-cluster',
    severity: 'info',
    title: 'the address stays on a node whose API server is dead',
    why: 'A DaemonSet renews its Lease through the Service kubernetes, so at any API server. When that of its own host dies, it keeps the address, and every connection to it is refused.',
    fix: 'Use a static pod that asks its own API server, set lb_enable to "true" with a kube-proxy that leaves its IPVS rules alone, or use an address that steps down with its API server.',
    sources: ['kube-vip #1786', 'kube-vip #1787', 'kube-vip #1145', 'k0s #6866'],
    examples: {
      bad: [{ 'kube-vip.yaml': kubeVipDaemonSet({ more: TOLERATED }) }],
      good: [{ 'kube-vip.yaml': kubeVipDaemonSet({ more: TOLERATED, env: { lb_enable: 'true' } }) }, { 'kube-vip.yaml': kubeVip() }],
    },
    *check(facts) {
      for (const { program, spec } of pods(facts)) {
        const isDaemonSet = program.document?.kind === 'DaemonSet' && valueAt(spec, ['volumes']) === undefined;
        const arp = settingOf(program, 'vip_arp');
        if (
          isDaemonSet &&
          arp !== undefined &&
          isOn(arp) &&
          isOn(settingOf(program, 'cp_enable')) &&
          !isOn(settingOf(program, 'lb_enable'))
        )
          yield { at: arp.span, message: 'the holder is elected through the Service kubernetes, whatever its own API server does' };
      }
    },
  },
  {
    id: 'kube-vip-forwarding',
    severity: 'warning',
    title: 'kube-vip balances with direct routing between hosts that all run it',
    why: 'A backend that also has the IPVS rules sends the packet on again instead of answering: it circles between two nodes, or is lost, after every failover.',
    fix: 'Use lb_fwdmethod local or masquerade.',
    sources: ['kube-vip #895', 'kube-vip #745', 'k0s #5178'],
    examples: {
      bad: [{ 'kube-vip.yaml': kubeVip({ env: { lb_enable: 'true', lb_fwdmethod: 'directroute' } }) }],
      good: [{ 'kube-vip.yaml': kubeVip({ env: { lb_enable: 'true', lb_fwdmethod: 'masquerade' } }) }],
    },
    *check(facts) {
      for (const program of kubeVips(facts)) {
        const method = settingOf(program, 'lb_fwdmethod');
        if (isOn(settingOf(program, 'lb_enable')) && method?.value !== undefined && /^(?:directroute|tunnel)$/.test(method.value))
          yield { at: valueAtFlag(method), message: `lb_fwdmethod is ${method.value}` };
      }
    },
  },
  {
    id: 'address-two-holders',
    severity: 'error',
    title: 'two programs serve the same virtual address',
    why: 'Each moves it by its own election, so two hosts have it at once: connections land on either, and break as ARP changes.',
    fix: 'Keep one of them.',
    sources: ['kube-vip #996', 'keepalived #2370'],
    examples: {
      bad: [{ 'kube-vip.yaml': kubeVip(), 'keepalived.conf': 'vrrp_instance VI {\n  virtual_ipaddress {\n    10.0.0.100\n  }\n}\n' }],
      good: [{ 'kube-vip.yaml': kubeVip(), 'keepalived.conf': 'vrrp_instance VI {\n  virtual_ipaddress {\n    10.0.0.101\n  }\n}\n' }],
    },
    *check(facts) {
      const all = virtualAddresses(facts);
      for (const { by, host, at } of all) {
        const other = all.find((one) => one.host === host && one.by !== by);
        if (by === 'kube-vip' && other !== undefined) yield { at, message: `${host} is served by kube-vip and by ${other.by}` };
      }
    },
  },
  {
    id: 'kube-vip-address-differs',
    severity: 'error',
    title: 'control-plane nodes have kube-vip with different addresses',
    why: 'They take part in one election, so whichever wins brings up its own address: clients lose the API with each failover to another node.',
    fix: 'Write the same address on every control-plane node.',
    sources: ['hale'],
    examples: {
      bad: [{ 'cp1/kube-vip.yaml': kubeVip(), 'cp2/kube-vip.yaml': kubeVip({ env: { address: '10.0.0.101' } }) }],
      good: [{ 'cp1/kube-vip.yaml': kubeVip(), 'cp2/kube-vip.yaml': kubeVip() }],
    },
    *check(facts) {
      const [first, ...others] = kubeVips(facts).filter(
        (program) => isOn(settingOf(program, 'cp_enable')) && !isOpen(settingOf(program, 'address')?.value ?? ''),
      );
      // Of several clusters, each has its own.
      if (new Set(endpoints(facts).map(({ host }) => host)).size > 1) return;
      const nameOfLease = (program: Program) =>
        variableNamed(program, 'vip_leasename')?.value ?? flagNamed(program, 'leaseName')?.value ?? 'plndr-cp-lock';
      for (const program of others) {
        const own = settingOf(program, 'address');
        const other = first === undefined ? undefined : settingOf(first, 'address');
        if (first !== undefined && own !== undefined && own.value !== other?.value && nameOfLease(program) === nameOfLease(first))
          yield { at: valueAtFlag(own), message: `the address is ${own.value} here, and ${other?.value} on ${hostOf(first)}` };
      }
    },
  },
];
