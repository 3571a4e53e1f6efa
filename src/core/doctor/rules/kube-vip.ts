import type { Facts } from '../facts.ts';
import { virtualAddresses, backends, advertised, etcdMembers } from '../look/addresses.ts';
import { flagNamed, isOn, isOpen, programsNamed, replaceValue, valueAtFlag, variableNamed } from '../look/flags.ts';
import { canonical, isBefore, versionOf } from '../look/values.ts';
import type { Flag, Program } from '../read/program.ts';
import { imageTag } from '../read/program-names.ts';
import type { Hit, Rule } from '../rule.ts';
import { kubeVip, staticPod } from './examples.ts';

/* kube-vip: its address, its lease, its image. */

/** Variables and the flags of the same meaning; a variable beats its flag (kube-vip, pkg/kubevip/config_environment.go). */
const FLAGS: Readonly<Record<string, string>> = {
  vip_arp: 'arp',
  vip_interface: 'interface',
  cp_enable: 'controlplane',
  svc_enable: 'services',
  vip_leaderelection: 'leaderElection',
  vip_leaseduration: 'leaseDuration',
  vip_renewdeadline: 'leaseRenewDuration',
  vip_retryperiod: 'leaseRetry',
  bgp_enable: 'bgp',
  bgp_routerid: 'bgpRouterID',
  bgp_peers: 'bgppeers',
  bgp_peeraddress: 'peerAddress',
  lb_enable: 'enableLoadBalancer',
  lb_fwdmethod: 'lbForwardingMethod',
  address: 'address',
  control_plane_health_check_address: 'controlPlaneHealthCheckAddress',
};

export function settingOf(program: Program, name: string): Flag | undefined {
  const flag = FLAGS[name];
  const variable = variableNamed(program, name);
  // Of a variable with valueFrom, the value is said elsewhere.
  if (variable !== undefined) return { ...variable, value: variable.value ?? '$(elsewhere)' };
  return flag === undefined ? undefined : flagNamed(program, flag);
}

/** Every kube-vip that runs as a manager; a command that only writes a manifest is none. */
export function kubeVips(facts: Facts): Program[] {
  return programsNamed(facts, 'kube-vip').filter(({ origin, words }) => origin === 'pod' && !words.some(({ text }) => text === 'manifest'));
}

/** kube-vip whose flags all stand here: a Helm chart or ConfigMap may hold others. */
const wholeVips = (facts: Facts): Program[] => kubeVips(facts).filter(({ complete, env }) => complete && env.length > 0);

function seconds(program: Program, { name, fallback }: { name: string; fallback: number }): number {
  const value = Number(settingOf(program, name)?.value ?? fallback);
  return Number.isFinite(value) ? value : fallback;
}

function lease(program: Program) {
  return {
    duration: seconds(program, { name: 'vip_leaseduration', fallback: 15 }),
    renew: seconds(program, { name: 'vip_renewdeadline', fallback: 10 }),
    retry: seconds(program, { name: 'vip_retryperiod', fallback: 2 }),
  };
}

const hasElection = (program: Program): boolean => isOn(settingOf(program, 'vip_leaderelection'));
const ofControlPlane = (program: Program): boolean => isOn(settingOf(program, 'cp_enable'));

/** Where a lease timing stands, else where kube-vip is named. */
const leaseAt = (program: Program) => settingOf(program, 'vip_leaseduration')?.span ?? program.at;

function release({ image }: Program) {
  return versionOf(imageTag(image?.text ?? '') ?? '');
}

function* oldNames(facts: Facts): Iterable<Hit> {
  for (const program of kubeVips(facts)) {
    const cidr = variableNamed(program, 'vip_cidr');
    // Until 0.8 there was no other name.
    if (cidr !== undefined && variableNamed(program, 'vip_subnet') === undefined && !isBefore(release(program), 0, 9))
      yield {
        at: cidr.span,
        message: `vip_cidr is not read since 0.9, so ${cidr.value} has no effect; it is now vip_subnet`,
        ...renamed(cidr, 'vip_subnet'),
      };
    const address = variableNamed(program, 'vip_address');
    if (address !== undefined && variableNamed(program, 'address') === undefined)
      yield { at: address.span, message: 'vip_address is deprecated; it is now address', ...renamed(address, 'address') };
  }
}

/** The name of a variable replaced, where it stands once in its entry. */
function renamed({ name, span }: Flag, to: string): Pick<Hit, 'edits'> {
  const parts = span.file.text.slice(span.start, span.end).split(name);
  const start = span.start + (parts[0] ?? '').length;
  return parts.length === 2 ? { edits: [{ span: { ...span, start, end: start + name.length }, text: to }] } : {};
}

export const kubeVipRules: readonly Rule[] = [
  {
    id: 'kube-vip-image-old',
    severity: 'warning',
    title: 'the image of kube-vip is from before 1.0, or from where it moved away',
    why: 'Old releases leave the address on two nodes after a crash, or let the election stall for good; none of them is mended any more.',
    fix: 'Use ghcr.io/kube-vip/kube-vip:v1.2.3, make the manifest anew with it, and change one control-plane node at a time.',
    sources: ['kube-vip #996', 'kube-vip #1377', 'github.com/kube-vip/kube-vip/releases'],
    examples: {
      bad: [
        { 'kube-vip.yaml': kubeVip({ image: 'ghcr.io/kube-vip/kube-vip:v0.6.4' }) },
        { 'kube-vip.yaml': kubeVip({ image: 'docker.io/plndr/kube-vip:v0.4.1' }) },
      ],
      good: [{ 'kube-vip.yaml': kubeVip() }],
    },
    *check(facts) {
      for (const { image } of programsNamed(facts, 'kube-vip')) {
        if (image === undefined) continue;
        if (isBefore(versionOf(imageTag(image.text) ?? ''), 1, 0) || /(?:^|\/)plndr\//.test(image.text))
          yield { at: image.span, message: `the image is ${image.text}` };
      }
    },
  },
  {
    id: 'kube-vip-image-floating',
    severity: 'warning',
    title: 'the image of kube-vip has no fixed version',
    why: 'A control-plane node that restarts may come up with another release than its peers, whose settings have other names: the address fails when it is needed.',
    fix: 'Name a release, such as ghcr.io/kube-vip/kube-vip:v1.2.3.',
    sources: ['kubernetes.io/docs/concepts/containers/images'],
    examples: {
      bad: [
        { 'kube-vip.yaml': kubeVip({ image: 'ghcr.io/kube-vip/kube-vip:latest' }) },
        { 'kube-vip.yaml': kubeVip({ image: 'ghcr.io/kube-vip/kube-vip' }) },
      ],
      good: [
        { 'kube-vip.yaml': kubeVip() },
        { 'kube-vip.yaml': kubeVip({ image: `ghcr.io/kube-vip/kube-vip@sha256:${'ab'.repeat(32)}` }) },
      ],
    },
    *check(facts) {
      for (const { image } of kubeVips(facts)) {
        const tag = imageTag(image?.text ?? '');
        if (
          image !== undefined &&
          !image.text.includes('@sha256:') &&
          !isOpen(image.text) &&
          (tag === undefined || /^(?:latest|main|dev)$/.test(tag))
        )
          yield { at: image.span, message: `the image ${image.text} may be another one tomorrow` };
      }
    },
  },
  {
    id: 'kube-vip-old-name',
    severity: 'warning',
    title: 'a setting of kube-vip has its old name',
    why: 'New releases do not read it and take their default instead, without a word.',
    fix: 'Use vip_subnet for vip_cidr, and address for vip_address.',
    sources: ['kube-vip, pkg/kubevip/config_envvar.go'],
    examples: {
      bad: [
        { 'kube-vip.yaml': kubeVip({ env: { vip_subnet: undefined, vip_cidr: '32' } }) },
        { 'kube-vip.yaml': kubeVip({ env: { address: undefined, vip_address: '10.0.0.100' } }) },
      ],
      good: [
        { 'kube-vip.yaml': kubeVip() },
        { 'kube-vip.yaml': kubeVip({ image: 'ghcr.io/kube-vip/kube-vip:v0.6.4', env: { vip_subnet: undefined, vip_cidr: '32' } }) },
      ],
    },
    check: oldNames,
  },
  {
    id: 'kube-vip-no-election',
    severity: 'error',
    title: 'kube-vip answers ARP for the address without an election',
    why: 'Every control-plane node takes the address at once. Connections land on whichever answered last, and break when another one does.',
    fix: 'Set vip_leaderelection to "true".',
    sources: ['kube-vip.io/docs/installation/static', 'kube-vip #996'],
    examples: { bad: [{ 'kube-vip.yaml': kubeVip({ env: { vip_leaderelection: undefined } }) }], good: [{ 'kube-vip.yaml': kubeVip() }] },
    *check(facts) {
      for (const program of wholeVips(facts)) {
        const arp = settingOf(program, 'vip_arp');
        const isAlone = isOn(variableNamed(program, 'vip_singlenode')) || isOn(variableNamed(program, 'svc_election'));
        if (arp !== undefined && isOn(arp) && !hasElection(program) && ofControlPlane(program) && !isAlone)
          yield { at: (settingOf(program, 'vip_leaderelection') ?? arp).span, message: 'vip_arp is on and vip_leaderelection is not' };
      }
    },
  },
  {
    id: 'kube-vip-lease-order',
    severity: 'error',
    title: 'the lease times of kube-vip are out of order',
    why: 'kube-vip stops at once with "leaseDuration must be greater than renewDeadline", or a leader gives up before it could try again.',
    fix: 'Keep lease > renew > 1.2 × retry: 15, 10 and 2.',
    sources: ['client-go, tools/leaderelection'],
    examples: {
      bad: [{ 'kube-vip.yaml': kubeVip({ env: { vip_leaseduration: '10', vip_renewdeadline: '10' } }) }],
      good: [{ 'kube-vip.yaml': kubeVip() }],
    },
    *check(facts) {
      for (const program of wholeVips(facts)) {
        const { duration, renew, retry } = lease(program);
        if (hasElection(program) && (duration <= renew || renew <= retry * 1.2))
          yield { at: leaseAt(program), message: `lease, renew and retry are ${duration}, ${renew} and ${retry} s` };
      }
    },
  },
  {
    id: 'kube-vip-lease-tight',
    severity: 'info',
    title: 'a short stall of etcd or the API server makes the address move',
    why: 'The leader must renew its Lease in the API. With a deadline of 3 s, a slow disk, a restart or a leader change in etcd costs the address, which then moves in the middle of the trouble and breaks every connection.',
    fix: 'Use 15, 10 and 2 (vip_leaseduration, vip_renewdeadline, vip_retryperiod), at the price of up to 17 s after a crash; or an election that does not need etcd.',
    sources: ['kube-vip #282', 'kube-vip #271', 'kube-vip #346'],
    examples: {
      bad: [{ 'kube-vip.yaml': kubeVip({ env: { vip_leaseduration: '5', vip_renewdeadline: '3', vip_retryperiod: '1' } }) }],
      good: [{ 'kube-vip.yaml': kubeVip() }],
    },
    *check(facts) {
      for (const program of wholeVips(facts)) {
        const { duration, renew } = lease(program);
        if (hasElection(program) && renew < 5 && duration > renew)
          yield { at: leaseAt(program), message: `the leader gives the address up when it could not renew its Lease for ${renew} s` };
      }
    },
  },
  {
    id: 'kube-vip-failover-slow',
    severity: 'info',
    title: 'after a crash the address is away for a quarter of a minute or more',
    why: 'The others wait until the Lease of the dead leader is over, and then for their next try. All that time nobody reaches the API at the address.',
    fix: 'Know the number. Shorter leases move sooner but flap when etcd is slow; VRRP or a quorum of agents does both better.',
    sources: ['kube-vip.io/docs/installation/flags', 'metallb #298'],
    examples: {
      bad: [{ 'kube-vip.yaml': kubeVip() }],
      good: [{ 'kube-vip.yaml': kubeVip({ env: { vip_leaseduration: '10', vip_renewdeadline: '7' } }) }],
    },
    *check(facts) {
      for (const program of wholeVips(facts)) {
        const { duration, retry } = lease(program);
        if (hasElection(program) && ofControlPlane(program) && duration >= 15)
          yield { at: leaseAt(program), message: `after a crash of its holder the address is away for up to ${duration + retry} s` };
      }
    },
  },
  {
    id: 'kube-vip-lease-in-api',
    severity: 'info',
    title: 'the election needs the API and etcd whose address it moves',
    why: 'When etcd loses its quorum, no leader can renew, and the address goes away just when somebody needs it to repair the cluster.',
    fix: 'Set vip_preserve_on_leadership_loss to "true", or elect without etcd (VRRP, or hale); and keep a kubeconfig that leads to a node directly.',
    sources: ['kube-vip #1377', 'kube-vip #475', 'kube-vip #246'],
    examples: {
      bad: [{ 'kube-vip.yaml': kubeVip() }],
      good: [{ 'kube-vip.yaml': kubeVip({ env: { vip_preserve_on_leadership_loss: 'true' } }) }],
    },
    *check(facts) {
      for (const program of wholeVips(facts)) {
        const isPreserved =
          isOn(variableNamed(program, 'vip_preserve_on_leadership_loss')) || flagNamed(program, 'leaderElectionType')?.value === 'etcd';
        if (hasElection(program) && ofControlPlane(program) && !isPreserved)
          yield {
            at: settingOf(program, 'vip_leaderelection')?.span ?? program.at,
            message: 'the leader is elected by a Lease in the API',
          };
      }
    },
  },
  {
    id: 'kube-vip-no-address',
    severity: 'error',
    title: 'kube-vip is to serve the control plane, and has no address',
    why: 'kube-vip stops, and kubeadm waits for an address that never comes.',
    fix: 'Set address to the virtual address.',
    sources: ['kube-vip.io/docs/installation/flags'],
    examples: {
      bad: [{ 'kube-vip.yaml': kubeVip({ env: { address: undefined } }) }, { 'kube-vip.yaml': kubeVip({ env: { address: '' } }) }],
      good: [{ 'kube-vip.yaml': kubeVip() }],
    },
    *check(facts) {
      for (const program of wholeVips(facts)) {
        const value = settingOf(program, 'address') ?? variableNamed(program, 'vip_address');
        if (ofControlPlane(program) && (value === undefined || value.value === ''))
          yield { at: value?.span ?? program.at, message: 'cp_enable is on, and there is no address' };
      }
    },
  },
  {
    id: 'kube-vip-arp-loopback',
    severity: 'error',
    title: 'kube-vip answers ARP on the loopback',
    why: 'Nobody on the network hears it: the address is only reached from the node that holds it.',
    fix: 'Name the interface that has the address of the node, or leave vip_interface out.',
    sources: ['kube-vip.io/docs/installation/static'],
    examples: { bad: [{ 'kube-vip.yaml': kubeVip({ env: { vip_interface: 'lo' } }) }], good: [{ 'kube-vip.yaml': kubeVip() }] },
    *check(facts) {
      for (const program of wholeVips(facts)) {
        const name = settingOf(program, 'vip_interface');
        if (name?.value === 'lo' && isOn(settingOf(program, 'vip_arp')))
          yield { at: valueAtFlag(name), message: 'vip_interface is lo, with vip_arp on' };
      }
    },
  },
  {
    id: 'kube-vip-subnet-wide',
    severity: 'warning',
    title: 'the virtual address has a whole subnet',
    why: 'The node that holds it gets a second route to the subnet and may take the virtual address as its own when it connects to others: etcd and kubelets then see another sender, and all that breaks when it moves.',
    fix: 'Set vip_subnet to "32" ("128" for IPv6).',
    sources: ['kube-vip #741', 'kube-vip.io/docs/installation/flags'],
    examples: {
      bad: [{ 'kube-vip.yaml': kubeVip({ env: { vip_subnet: '24' } }) }],
      good: [{ 'kube-vip.yaml': kubeVip() }, { 'kube-vip.yaml': kubeVip({ env: { vip_subnet: '/32,/128' } }) }],
    },
    *check(facts) {
      for (const program of kubeVips(facts)) {
        const subnet = variableNamed(program, 'vip_subnet') ?? variableNamed(program, 'vip_cidr');
        const wide = (subnet?.value ?? '').split(',').find((one) => /^\/?\d+$/.test(one) && !/^\/?(?:32|128)$/.test(one));
        if (subnet === undefined || wide === undefined) continue;
        const isOne = !(subnet.value ?? '').includes(',') && !settingOf(program, 'address')?.value?.includes(':');
        const at = valueAtFlag(subnet);
        yield { at, message: `the virtual address is given a prefix of ${wide}`, ...(isOne && { edits: [replaceValue(at, '32')] }) };
      }
    },
  },
  {
    id: 'kube-vip-address-of-node',
    severity: 'error',
    title: "the virtual address is a node's own",
    why: 'kube-vip takes it to another node, or removes it from its owner when the lease ends: the node loses its address, and etcd its member.',
    fix: 'Choose an address of the same subnet that nobody has, outside of DHCP.',
    sources: ['kube-vip #741', 'kube-vip #1017'],
    examples: {
      bad: [
        {
          'kube-vip.yaml': kubeVip(),
          'etcd.yaml': staticPod('etcd', { command: ['etcd', '--advertise-client-urls=https://10.0.0.100:2379'] }),
        },
      ],
      good: [
        {
          'kube-vip.yaml': kubeVip(),
          'etcd.yaml': staticPod('etcd', { command: ['etcd', '--advertise-client-urls=https://10.0.0.1:2379'] }),
        },
      ],
    },
    *check(facts) {
      const nodes = new Set([...advertised(facts), ...backends(facts), ...etcdMembers(facts)].map(({ host }) => host));
      for (const { by, host, at } of virtualAddresses(facts))
        if (by === 'kube-vip' && nodes.has(canonical(host))) yield { at, message: `${host} is the address of a node` };
    },
  },
];
