import type { Facts } from '../facts.ts';
import { virtualAddresses } from '../look/addresses.ts';
import { documentsOf, KUBEADM } from '../look/documents.ts';
import { flagNamed, flagText, hostOf, isOff, isOn, isOpen, onePerHost, programsNamed, valueAtFlag } from '../look/flags.ts';
import { hostAndPort, isLoopback, list, versionOf } from '../look/values.ts';
import type { Program } from '../read/program.ts';
import { imageName, imageTag } from '../read/program-names.ts';
import { listAt, textAt, valueAt } from '../read/yaml.ts';
import type { Hit, Rule } from '../rule.ts';
import { clusterConfiguration, staticPod } from './examples.ts';

/* etcd's members: who they are, and how they find one another. */

export interface Member {
  name: string;
  url: string;
}

/** `cp1=https://10.0.0.1:2380,…`; undefined where part of it is decided elsewhere. */
export function membersOf(program: Program): Member[] | undefined {
  const text = flagText(program, 'initial-cluster');
  if (text === undefined || isOpen(text)) return undefined;
  return text.split(',').map((entry) => {
    const at = entry.indexOf('=');
    return { name: entry.slice(0, at).trim(), url: entry.slice(at + 1).trim() };
  });
}

/** Release of an etcd, of its image, where there is one. */
export function releaseOf({ image }: Program): ReturnType<typeof versionOf> {
  return image === undefined || imageName(image.text) !== 'etcd' ? undefined : versionOf((imageTag(image.text) ?? '').replace(/-.*$/, ''));
}

/** Whether this member began the cluster with all others at once, rather than being added to it, as kubeadm does it. */
const isStatic = (program: Program): boolean => flagText(program, 'initial-cluster-state') !== 'existing';

function* evenMembers(facts: Facts): Iterable<Hit> {
  for (const program of programsNamed(facts, 'etcd')) {
    const members = membersOf(program);
    const flag = flagNamed(program, 'initial-cluster');
    if (members === undefined || flag === undefined || !isStatic(program)) continue;
    const count = new Set(members.map(({ name }) => name)).size;
    if (count === members.length && count % 2 === 0)
      yield {
        at: valueAtFlag(flag),
        message: `${count} members tolerate ${count / 2 - 1 || 'no'} failed one${count > 4 ? 's' : ''}, just like ${count - 1}`,
      };
  }
}

function* ownEntry(facts: Facts): Iterable<Hit> {
  for (const program of programsNamed(facts, 'etcd')) {
    const members = membersOf(program);
    const flag = flagNamed(program, 'initial-cluster');
    const name = flagText(program, 'name');
    if (members === undefined || flag === undefined || name === undefined || isOpen(name)) continue;
    const own = members.filter((member) => member.name === name).map(({ url }) => url);
    const advertised = flagText(program, 'initial-advertise-peer-urls');
    const at = valueAtFlag(flag);
    if (own.length === 0) yield { at, message: `initial-cluster does not name ${name}, this member` };
    else if (advertised !== undefined && !isOpen(advertised) && !sameUrls(own, advertised.split(',')))
      yield { at, message: `initial-cluster has ${list(own)} for ${name}, but the member advertises ${advertised}` };
  }
}

const sameUrls = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((url) => b.some((other) => other.trim() === url));

function* sameNames(facts: Facts): Iterable<Hit> {
  for (const program of programsNamed(facts, 'etcd')) {
    const members = membersOf(program) ?? [];
    const flag = flagNamed(program, 'initial-cluster');
    const urls = new Map<string, string>();
    for (const { name, url } of members) {
      const host = hostAndPort(url)?.host ?? url;
      if (flag !== undefined && urls.has(name) && urls.get(name) !== host)
        yield { at: valueAtFlag(flag), message: `two members of initial-cluster are named ${name}` };
      urls.set(name, host);
    }
  }
  const named = onePerHost(programsNamed(facts, 'etcd').filter(({ origin }) => origin !== 'kubeadm' && origin !== 'script'));
  for (const [i, program] of named.entries()) {
    const flag = flagNamed(program, 'name');
    const twin = named.slice(0, i).find((other) => flagText(other, 'name') === flag?.value && sharesCluster(other, program));
    if (flag?.value !== undefined && !isOpen(flag.value) && twin !== undefined)
      yield { at: valueAtFlag(flag), message: `the member is named ${flag.value}, as is that of ${hostOf(twin)}` };
  }
}

/** Whether two members name each other's cluster, at different addresses of their own. */
function sharesCluster(a: Program, b: Program): boolean {
  const [urlA, urlB] = [a, b].map((one) => flagText(one, 'initial-advertise-peer-urls'));
  if (urlA === undefined || urlB === undefined || isOpen(urlA) || isOpen(urlB) || urlA === urlB) return false;
  return (
    [a, b].some((one) => (membersOf(one) ?? []).some(({ url }) => url === (one === a ? urlB : urlA))) ||
    flagText(a, 'initial-cluster') === flagText(b, 'initial-cluster')
  );
}

function* advertisedHere(facts: Facts): Iterable<Hit> {
  for (const program of programsNamed(facts, 'etcd')) {
    const isAlone = (membersOf(program) ?? []).length < 2;
    for (const name of ['initial-advertise-peer-urls', 'advertise-client-urls']) {
      const flag = flagNamed(program, name);
      if (isAlone || flag?.value === undefined) continue;
      const bad = flag.value
        .split(',')
        .map((url) => hostAndPort(url)?.host ?? '')
        .find((host) => isLoopback(host) || host === '0.0.0.0' || host === '::');
      if (bad !== undefined && flag.value.split(',').length === 1)
        yield { at: valueAtFlag(flag), message: `${name} is ${flag.value}, where no other host reaches this member` };
    }
  }
}

const MEMBERS = 'cp1=https://10.0.0.1:2380,cp2=https://10.0.0.2:2380,cp3=https://10.0.0.3:2380';
const ETCD = (...flags: string[]) => staticPod('etcd', { image: 'registry.k8s.io/etcd:3.6.11-0', command: ['etcd', ...flags] });

export const etcdRules: readonly Rule[] = [
  {
    id: 'etcd-members-even',
    severity: 'warning',
    title: 'etcd has an even number of members',
    why: 'Two members tolerate no failure, four just one, like three: each more only adds one that must answer, and a split into halves leaves no quorum on either side.',
    fix: 'Run 3 or 5 members.',
    sources: ['etcd.io/docs/latest/faq', 'kube-vip #748', 'talos #9276'],
    examples: {
      bad: [{ 'etcd.yaml': ETCD('--initial-cluster=cp1=https://10.0.0.1:2380,cp2=https://10.0.0.2:2380') }],
      good: [
        { 'etcd.yaml': ETCD(`--initial-cluster=${MEMBERS}`) },
        { 'etcd.yaml': ETCD('--initial-cluster=cp1=https://10.0.0.1:2380,cp2=https://10.0.0.2:2380', '--initial-cluster-state=existing') },
      ],
    },
    check: evenMembers,
  },
  {
    id: 'etcd-own-entry',
    severity: 'error',
    title: 'initial-cluster does not agree with what the member says of itself',
    why: 'etcd compares the two when it begins, and stops with "couldn\'t find local name" or "… missing from --initial-advertise-peer-urls".',
    fix: 'Write name=URL into initial-cluster exactly as --name and --initial-advertise-peer-urls of the member have them.',
    sources: ['etcd.io/docs/latest/op-guide/clustering'],
    examples: {
      bad: [
        { 'etcd.yaml': ETCD('--name=cp9', `--initial-cluster=${MEMBERS}`) },
        { 'etcd.yaml': ETCD('--name=cp1', '--initial-advertise-peer-urls=https://10.0.0.7:2380', `--initial-cluster=${MEMBERS}`) },
      ],
      good: [{ 'etcd.yaml': ETCD('--name=cp1', '--initial-advertise-peer-urls=https://10.0.0.1:2380', `--initial-cluster=${MEMBERS}`) }],
    },
    check: ownEntry,
  },
  {
    id: 'etcd-names-same',
    severity: 'error',
    title: 'two members of etcd have the same name',
    why: 'A member finds itself in initial-cluster by its name, so the second one takes the place of the first, or does not start.',
    fix: "Give each member its own name, such as its host's.",
    sources: ['etcd.io/docs/latest/op-guide/clustering'],
    examples: {
      bad: [{ 'etcd.yaml': ETCD('--initial-cluster=cp=https://10.0.0.1:2380,cp=https://10.0.0.2:2380,cp3=https://10.0.0.3:2380') }],
      good: [{ 'etcd.yaml': ETCD(`--initial-cluster=${MEMBERS}`) }],
    },
    check: sameNames,
  },
  {
    id: 'etcd-advertise-loopback',
    severity: 'error',
    title: 'a member of several advertises an address that only its own host reaches',
    why: 'The other members, and clients that learn of it, connect to themselves instead; the cluster never forms, or loses a member with each restart.',
    fix: "Advertise the host's own address.",
    sources: ['etcd.io/docs/latest/op-guide/configuration'],
    examples: {
      bad: [{ 'etcd.yaml': ETCD('--advertise-client-urls=https://0.0.0.0:2379', `--initial-cluster=${MEMBERS}`) }],
      good: [{ 'etcd.yaml': ETCD('--advertise-client-urls=https://10.0.0.1:2379', `--initial-cluster=${MEMBERS}`) }],
    },
    check: advertisedHere,
  },
  {
    id: 'etcd-advertise-virtual',
    severity: 'error',
    title: 'a member of etcd has the virtual address as its own',
    why: 'When the address moves, the member is gone, and its peers talk to another one in its name.',
    fix: "Use the host's own address in every URL of etcd.",
    sources: ['kube-vip #741', 'kube-vip #1017'],
    examples: {
      bad: [
        {
          'etcd.yaml': ETCD('--initial-cluster=cp1=https://10.0.0.100:2380'),
          'vip.yaml': staticPod('kube-vip', { command: ['/kube-vip', 'manager', '--address', '10.0.0.100'] }),
        },
      ],
      good: [
        {
          'etcd.yaml': ETCD(`--initial-cluster=${MEMBERS}`),
          'vip.yaml': staticPod('kube-vip', { command: ['/kube-vip', 'manager', '--address', '10.0.0.100'] }),
        },
      ],
    },
    *check(facts) {
      const moving = new Set(virtualAddresses(facts).map(({ host }) => host));
      for (const program of programsNamed(facts, 'etcd'))
        for (const flag of program.flags) {
          if (!/^(?:initial-cluster|initial-advertise-peer-urls|advertise-client-urls|listen-peer-urls)$/.test(flag.name)) continue;
          const urls = (flag.value ?? '').split(',').map((one) => one.replace(/^[^=/]*=/, ''));
          const host = urls.map((url) => hostAndPort(url)?.host ?? '').find((one) => moving.has(one));
          if (host !== undefined) yield { at: valueAtFlag(flag), message: `${flag.name} holds ${host}, the virtual address` };
        }
    },
  },
  {
    id: 'etcd-token-default',
    severity: 'warning',
    title: 'etcd began with the default initial-cluster-token',
    why: 'Cluster and member ids follow from names, URLs and this token. A second cluster, or a member restored from a snapshot, gets the same ids: it joins without any error and serves other data.',
    fix: 'Give each cluster, and each restore, a token of its own: initial-cluster-token=prod-1. An existing cluster keeps its ids; mind it at the next restore.',
    sources: ['etcd.io/docs/latest/op-guide/clustering', 'hale, run with etcd 3.5.30'],
    examples: {
      bad: [
        { 'etcd.yaml': ETCD(`--initial-cluster=${MEMBERS}`) },
        { 'etcd.yaml': ETCD(`--initial-cluster=${MEMBERS}`, '--initial-cluster-token=etcd-cluster') },
      ],
      good: [{ 'etcd.yaml': ETCD(`--initial-cluster=${MEMBERS}`, '--initial-cluster-token=prod-1') }],
    },
    *check(facts) {
      const defaults = /^(?:etcd-cluster|etcd-cluster-[01]|k8s_etcd|etcd|tkn)$/;
      for (const program of programsNamed(facts, 'etcd')) {
        const token = flagNamed(program, 'initial-cluster-token');
        const cluster = flagNamed(program, 'initial-cluster');
        if (cluster === undefined || (membersOf(program) ?? []).length < 2 || !isStatic(program)) continue;
        if (token === undefined)
          yield { at: cluster.span, message: 'there is no initial-cluster-token beside initial-cluster, so it is etcd-cluster' };
        else if (defaults.test(token.value ?? ''))
          yield { at: valueAtFlag(token), message: `initial-cluster-token is ${token.value}, as in every guide` };
      }
    },
  },
  {
    id: 'etcd-force-new-cluster',
    severity: 'error',
    title: '--force-new-cluster was left in',
    why: 'At its next start, the member throws all others out of the cluster again: they run on with data that nobody writes any more.',
    fix: 'Remove it. It is for one start, to save the last survivor of a lost quorum.',
    sources: ['etcd.io/docs/latest/op-guide/recovery'],
    examples: { bad: [{ 'etcd.yaml': ETCD('--force-new-cluster') }], good: [{ 'etcd.yaml': ETCD('--name=cp1') }] },
    *check(facts) {
      for (const program of programsNamed(facts, 'etcd')) {
        const flag = flagNamed(program, 'force-new-cluster');
        if (flag !== undefined && isOn(flag) && program.origin !== 'script')
          yield { at: flag.span, message: 'etcd starts with --force-new-cluster every time' };
      }
    },
  },
  {
    id: 'etcd-strict-reconfig-off',
    severity: 'error',
    title: 'etcd takes changes of its members that cost the quorum',
    why: 'With strict-reconfig-check off, one member too many, or a misspelt URL, leaves the cluster without a majority and without a way back but a restore.',
    fix: 'Remove the flag; it is on by default.',
    sources: ['etcd.io/docs/latest/op-guide/runtime-configuration'],
    examples: {
      bad: [{ 'etcd.yaml': ETCD('--strict-reconfig-check=false') }],
      good: [{ 'etcd.yaml': ETCD('--strict-reconfig-check=true') }],
    },
    *check(facts) {
      for (const program of programsNamed(facts, 'etcd')) {
        const flag = flagNamed(program, 'strict-reconfig-check');
        if (flag !== undefined && isOff(flag)) yield { at: flag.span, message: 'strict-reconfig-check is off' };
      }
    },
  },
  {
    id: 'kubeadm-etcd-both',
    severity: 'error',
    title: 'etcd is both local and external',
    why: 'kubeadm refuses the file: exactly one of etcd.local and etcd.external may be there.',
    fix: 'Keep etcd.local for etcd on the control-plane nodes, or etcd.external for servers of its own.',
    sources: ['kubernetes.io/docs/reference/config-api/kubeadm-config.v1beta4'],
    examples: {
      bad: [
        {
          'kubeadm.yaml': clusterConfiguration(
            'etcd: {local: {dataDir: /var/lib/etcd}, external: {endpoints: [https://10.0.0.21:2379]}}\n',
          ),
        },
      ],
      good: [{ 'kubeadm.yaml': clusterConfiguration('etcd: {local: {dataDir: /var/lib/etcd}}\n') }],
    },
    *check(facts) {
      for (const document of documentsOf(facts, KUBEADM, 'ClusterConfiguration'))
        if (['local', 'external'].every((key) => typeof (valueAt(document.value, ['etcd', key]) ?? 0) === 'object'))
          yield { at: document.span(['etcd', 'external'], 'key'), message: 'etcd.local and etcd.external are both there' };
    },
  },
  {
    id: 'kubeadm-external-etcd-members',
    severity: 'warning',
    title: 'the API servers know one, two or an even number of etcd servers',
    why: 'When the one that they know is away, every API server fails, though etcd has its quorum. Two or four servers tolerate no more failures than one or three.',
    fix: 'List every member, 3 or 5, in etcd.external.endpoints.',
    sources: ['kubernetes.io/docs/tasks/administer-cluster/configure-upgrade-etcd'],
    examples: {
      bad: [{ 'kubeadm.yaml': clusterConfiguration('etcd: {external: {endpoints: [https://10.0.0.21:2379]}}\n') }],
      good: [
        {
          'kubeadm.yaml': clusterConfiguration(
            'etcd: {external: {endpoints: [https://10.0.0.21:2379, https://10.0.0.22:2379, https://10.0.0.23:2379]}}\n',
          ),
        },
      ],
    },
    *check(facts) {
      for (const document of documentsOf(facts, KUBEADM, 'ClusterConfiguration')) {
        const path = ['etcd', 'external', 'endpoints'];
        const count = listAt(document.value, path).length;
        if (count > 0 && (count < 3 || count % 2 === 0))
          yield { at: document.span(path, 'key'), message: `etcd.external.endpoints names ${count} server${count === 1 ? '' : 's'}` };
      }
    },
  },
  {
    id: 'kubeadm-image-pinned',
    severity: 'warning',
    title: 'the version of etcd or CoreDNS is pinned',
    why: 'kubeadm upgrade leaves a pinned component as it is. After some upgrades it is older than the Kubernetes version allows, and nobody remembers why.',
    fix: 'Remove imageTag, so that kubeadm picks the version that belongs to the release; or note that it has to be moved by hand at each upgrade.',
    sources: ['kubernetes.io/docs/reference/config-api/kubeadm-config.v1beta4, ImageMeta'],
    examples: {
      bad: [{ 'kubeadm.yaml': clusterConfiguration('etcd: {local: {imageTag: 3.5.9-0}}\n') }],
      good: [{ 'kubeadm.yaml': clusterConfiguration('etcd: {local: {imageTag: ""}}\n') }],
    },
    *check(facts) {
      for (const document of documentsOf(facts, KUBEADM, 'ClusterConfiguration'))
        for (const path of [
          ['etcd', 'local', 'imageTag'],
          ['dns', 'imageTag'],
        ]) {
          const tag = textAt(document.value, path) ?? '';
          if (tag !== '') yield { at: document.span(path), message: `${path.join('.')} pins ${tag}` };
        }
    },
  },
];
