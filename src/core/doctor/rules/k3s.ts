import type { Facts } from '../facts.ts';
import { virtualAddresses } from '../look/addresses.ts';
import { flagNamed, flagText, hostOf, isOff, isOn, isOpen, onePerHost, programsNamed, valueAtFlag, variableNamed } from '../look/flags.ts';
import { hostAndPort, isAddress, isLoopback, list } from '../look/values.ts';
import type { Flag, Program } from '../read/program.ts';
import type { Hit, Rule } from '../rule.ts';
import { kubeVip } from './examples.ts';

/* Servers and agents of k3s and RKE2. */

const isAgent = ({ words, file }: Program): boolean => words.some(({ text }) => text === 'agent') || /agent/.test(file.path);

/** Servers whose settings stand here. `k3s etcd-snapshot` and the like are none. */
function servers(facts: Facts): Program[] {
  return programsNamed(facts, 'k3s', 'rke2').filter((program) => {
    const [command] = program.words;
    if (isAgent(program) || program.origin === 'environment') return false;
    return command === undefined
      ? program.origin === 'flag-file' || program.flags.some(({ name }) => SERVER_FLAGS.has(name))
      : command.text === 'server';
  });
}

const SERVER_FLAGS: ReadonlySet<string> = new Set([
  'cluster-init',
  'tls-san',
  'disable',
  'datastore-endpoint',
  'cluster-cidr',
  'service-cidr',
  'write-kubeconfig-mode',
]);

/** A settings file is of a server, when it says something that only servers have. */
function looksLikeServer(program: Program): boolean {
  return (
    program.origin !== 'flag-file' ||
    program.flags.some(({ name }) => SERVER_FLAGS.has(name) || name.startsWith('etcd-') || name.startsWith('kube-apiserver'))
  );
}

const surely = (facts: Facts): Program[] => servers(facts).filter(looksLikeServer);

/** `token`, also from the variable that install scripts and units use. */
function tokenOf(program: Program): Flag | undefined {
  return (
    flagNamed(program, 'token') ??
    flagNamed(program, 'cluster-secret') ??
    variableNamed(program, 'K3S_TOKEN') ??
    variableNamed(program, 'RKE2_TOKEN')
  );
}

function sansOf({ flags }: Program): string[] {
  return flags
    .filter(({ name }) => name === 'tls-san')
    .flatMap(({ value }) => (value ?? '').split(',').map((one) => hostAndPort(one)?.host ?? one));
}

/** The URL by which a server or agent joins. */
export function joinUrl(program: Program): Flag | undefined {
  return flagNamed(program, 'server') ?? variableNamed(program, 'K3S_URL') ?? variableNamed(program, 'RKE2_URL');
}

function* weakTokens(facts: Facts): Iterable<Hit> {
  for (const program of programsNamed(facts, 'k3s', 'rke2')) {
    const token = tokenOf(program);
    // Of a whole token, K10<hash of the CA>::<user>:<password>, the last part is the secret.
    const secret = token?.value?.replace(/^K10[0-9a-f]{64}::(?:[\w-]+:)?/, '') ?? '';
    if (token === undefined || isOpen(token.value ?? '')) continue;
    if (secret.length < 16 || /secret|token|password|changeme|example/i.test(secret))
      yield {
        at: valueAtFlag(token),
        message: `the token has ${secret.length} characters${secret.length < 16 ? '' : ', and is a word that everybody tries'}`,
      };
  }
}

function* missingNames(facts: Facts): Iterable<Hit> {
  const moving = virtualAddresses(facts).flatMap(({ host, by }) => (isAddress(host) && by !== 'lvscare' ? [host] : []));
  const all = surely(facts);
  // The own address of the first server is in its certificate by itself; what several name is of all.
  const joined = all
    .flatMap((program) => hostAndPort(joinUrl(program)?.value ?? '')?.host ?? [])
    .filter((host) => all.filter((program) => sansOf(program).includes(host)).length > 1);
  const own = new Set(
    all.flatMap((program) =>
      [flagText(program, 'node-ip'), flagText(program, 'advertise-address'), flagText(program, 'node-external-ip')].flatMap(
        (one) => one?.split(',') ?? [],
      ),
    ),
  );
  for (const program of all) {
    const sans = sansOf(program);
    const tlsSan = flagNamed(program, 'tls-san');
    const missing = [...new Set([...moving, ...joined])].filter(
      (host) => !sans.includes(host) && !own.has(host) && !isOpen(host) && !isLoopback(host) && (moving.includes(host) || sans.length > 0),
    );
    if (missing.length > 0)
      yield { at: tlsSan?.span ?? program.at, message: `tls-san does not hold ${list(missing)}, by which servers are reached` };
  }
}

function* singleServer(facts: Facts): Iterable<Hit> {
  const moving = new Set(virtualAddresses(facts).map(({ host }) => host));
  const nodes = new Set(
    servers(facts).flatMap((program) => ['node-ip', 'advertise-address'].flatMap((name) => flagText(program, name)?.split(',') ?? [])),
  );
  for (const program of programsNamed(facts, 'k3s', 'rke2')) {
    const url = joinUrl(program);
    const host = hostAndPort(url?.value ?? '')?.host;
    if (url === undefined || host === undefined || isOpen(host) || isLoopback(host) || moving.has(host)) continue;
    const sans = sansOf(program);
    // Where a name leads to, no file says.
    const isElsewhere = (moving.size > 0 && isAddress(host)) || (sans.length > 0 && !sans.includes(host));
    if (nodes.has(host) || isElsewhere)
      yield {
        at: valueAtFlag(url),
        message: `${program.name} joins by ${host}, ${nodes.has(host) ? 'one of the servers' : 'which is not the endpoint'}`,
      };
  }
}

/** Keys that every server must have alike (docs.k3s.io, "High Availability Embedded etcd"). */
const ALIKE = [
  'cluster-cidr',
  'service-cidr',
  'cluster-dns',
  'cluster-domain',
  'disable-network-policy',
  'disable-helm-controller',
  'disable-cloud-controller',
  'egress-selector-mode',
  'embedded-registry',
  'flannel-backend',
  'secrets-encryption',
  'secrets-encryption-provider',
  'disable-kube-proxy',
  'cni',
];

function valuesOf(program: Program, name: string): string {
  const values = program.flags.flatMap((flag) => (flag.name === name ? (flag.value ?? 'true').split(',') : []));
  const relevant = name === 'disable' ? values.filter((value) => value.trim() === 'servicelb') : values;
  return relevant.toSorted().join(',');
}

function* differing(facts: Facts): Iterable<Hit> {
  const [first, ...others] = onePerHost(surely(facts).filter(({ origin, complete }) => origin === 'flag-file' && complete));
  for (const program of others)
    for (const name of [...ALIKE, 'disable']) {
      const [own, other] = [valuesOf(program, name), valuesOf(first as Program, name)];
      const [token, otherToken] = [program, first as Program].map((one) => tokenOf(one)?.value);
      const isOtherCluster = token !== undefined && otherToken !== undefined && token !== otherToken;
      if (own === other || program.name !== first?.name || isOtherCluster) continue;
      yield {
        at: flagNamed(program, name)?.span ?? program.at,
        message: `${name} is ${own === '' ? 'not set' : own} here, and ${other === '' ? 'not set' : other} on ${hostOf(first)}`,
      };
    }
}

function* evenServers(facts: Facts): Iterable<Hit> {
  const all = onePerHost(surely(facts).filter(({ origin }) => origin === 'flag-file'));
  const isEtcd = all.every(
    (program) => flagNamed(program, 'datastore-endpoint') === undefined && !isOn(flagNamed(program, 'disable-etcd')),
  );
  const [, second] = all;
  if (second !== undefined && all.length % 2 === 0 && isEtcd)
    yield {
      at: second.at,
      message: `${all.length} servers tolerate ${all.length / 2 - 1 || 'no'} failed one${all.length > 4 ? 's' : ''}, just like ${all.length - 1}`,
    };
}

function* separate(facts: Facts): Iterable<Hit> {
  const all = onePerHost(surely(facts).filter(({ origin, name }) => origin === 'flag-file' && name === 'k3s'));
  const inits = all.filter((program) => isOn(flagNamed(program, 'cluster-init')) && joinUrl(program) === undefined);
  for (const program of inits.slice(1))
    yield {
      at: flagNamed(program, 'cluster-init')?.span ?? program.at,
      message: `cluster-init is on, as on ${hostOf(inits[0] as Program)}: each makes a cluster of its own`,
    };
  const alone = all.filter(
    (program) =>
      !isOn(flagNamed(program, 'cluster-init')) && joinUrl(program) === undefined && flagNamed(program, 'datastore-endpoint') === undefined,
  );
  if (inits.length === 0 && alone.length > 1)
    for (const program of alone.slice(1))
      yield {
        at: program.at,
        message: 'this server has neither server, cluster-init nor datastore-endpoint, so it is a cluster of its own',
      };
}

const K3S = '/etc/rancher/k3s/config.yaml';
const TOKEN = 'token: 9c1f0a7be24d4d0f8e6a3b5c7d9e1f20\n';
const each = (...texts: string[]) => Object.fromEntries(texts.map((text, i) => [`s${i + 1}${K3S}`, text]));

export const k3sRules: readonly Rule[] = [
  {
    id: 'k3s-token-weak',
    severity: 'error',
    title: 'the token of the cluster can be guessed',
    why: 'Whoever knows it can add a server and read every Secret; it also encrypts the keys of the cluster in the datastore.',
    fix: 'Make one with openssl rand -hex 32, change it with k3s token rotate, and keep it with the backups: a restore on new hosts needs it.',
    sources: ['docs.k3s.io/cli/token'],
    examples: {
      bad: [
        { [K3S]: 'cluster-init: true\ntoken: SECRET\n' },
        { 'install.sh': '#!/bin/sh\ncurl -sfL https://get.k3s.io | K3S_TOKEN=SECRET sh -s - server --cluster-init\n' },
      ],
      good: [{ [K3S]: `cluster-init: true\n${TOKEN}` }],
    },
    check: weakTokens,
  },
  {
    id: 'k3s-tls-san',
    severity: 'error',
    title: 'an address of the servers is not in their certificate',
    why: 'Clients and joining nodes that use it get "x509: certificate is valid for …, not …".',
    fix: 'Add the virtual address and its name to tls-san on every server; on a running one then k3s certificate rotate, one server at a time.',
    sources: ['k3s #4149', 'docs.k3s.io/cli/server'],
    examples: {
      bad: [{ [K3S]: `cluster-init: true\ntls-san: [api.example.com]\n${TOKEN}`, 'kube-vip.yaml': kubeVip() }],
      good: [{ [K3S]: `cluster-init: true\ntls-san: [10.0.0.100]\n${TOKEN}`, 'kube-vip.yaml': kubeVip() }],
    },
    check: missingNames,
  },
  {
    id: 'k3s-server-single',
    severity: 'warning',
    title: 'nodes join by one server instead of the endpoint',
    why: 'The address stays in their configuration: when that server is gone for good, the others cannot restart or be restored without it, and new ones cannot join.',
    fix: 'Once the virtual address is up, set server to it (or to its name) on every node but the first.',
    sources: ['k3s #11349', 'docs.k3s.io/datastore/ha-embedded'],
    examples: {
      bad: [{ [K3S]: `server: https://10.0.0.1:6443\ntls-san: [10.0.0.100]\n${TOKEN}` }],
      good: [{ [K3S]: `server: https://10.0.0.100:6443\ntls-san: [10.0.0.100]\n${TOKEN}` }],
    },
    check: singleServer,
  },
  {
    id: 'k3s-servers-even',
    severity: 'warning',
    title: 'there is an even number of servers with embedded etcd',
    why: 'Two servers tolerate no failure, which is worse than one: either can stop both. Four tolerate one, like three.',
    fix: 'Run 3 or 5 servers.',
    sources: ['k3s #10942', 'docs.k3s.io/datastore/ha-embedded'],
    examples: {
      bad: [each('cluster-init: true\n', 'server: https://api:6443\ntls-san: [api]\n')],
      good: [each('cluster-init: true\n', 'server: https://api:6443\ntls-san: [api]\n', 'server: https://api:6443\ntls-san: [api]\n')],
    },
    check: evenServers,
  },
  {
    id: 'k3s-separate-clusters',
    severity: 'error',
    title: 'servers that are meant as one cluster each make their own',
    why: 'Every server comes up and looks healthy, with objects that the others do not know.',
    fix: 'Set cluster-init on the first server only, and server: https://ENDPOINT:6443 on the others.',
    sources: ['docs.k3s.io/datastore/ha-embedded'],
    examples: {
      bad: [
        each('cluster-init: true\n', 'cluster-init: true\n', 'cluster-init: true\n'),
        each('tls-san: [api]\n', 'tls-san: [api]\ndisable: [traefik]\n'),
      ],
      good: [each('cluster-init: true\n', 'server: https://api:6443\ntls-san: [api]\n', 'server: https://api:6443\ntls-san: [api]\n')],
    },
    check: separate,
  },
  {
    id: 'k3s-settings-differ',
    severity: 'error',
    title: 'servers of one cluster have different settings',
    why: 'A server with another value for one of these does not join ("critical configuration value mismatch"), or the cluster behaves by whichever one is asked.',
    fix: 'Write the same value on every server.',
    sources: ['docs.k3s.io/datastore/ha-embedded'],
    examples: {
      bad: [each('cluster-init: true\ndisable: [servicelb]\n', 'server: https://api:6443\ntls-san: [api]\n')],
      good: [each('cluster-init: true\ndisable: [servicelb]\n', 'server: https://api:6443\ndisable: [servicelb, traefik]\n')],
    },
    check: differing,
  },
  {
    id: 'k3s-kubeconfig-mode',
    severity: 'warning',
    title: 'every user of the host is administrator of the cluster',
    why: 'The kubeconfig that k3s writes has all rights. A mode such as 644 lets every account and every container with that path read it.',
    fix: 'Set write-kubeconfig-mode: "0600" (or "0640" with write-kubeconfig-group).',
    sources: ['docs.k3s.io/cluster-access'],
    examples: {
      bad: [{ [K3S]: `cluster-init: true\nwrite-kubeconfig-mode: "0644"\n${TOKEN}` }],
      good: [{ [K3S]: `cluster-init: true\nwrite-kubeconfig-mode: "0640"\n${TOKEN}` }],
    },
    *check(facts) {
      for (const program of programsNamed(facts, 'k3s', 'rke2')) {
        const mode = flagNamed(program, 'write-kubeconfig-mode') ?? variableNamed(program, 'K3S_KUBECONFIG_MODE');
        if (mode?.value !== undefined && /^0?[0-7]{2}[4-7]$/.test(mode.value))
          yield { at: valueAtFlag(mode), message: `write-kubeconfig-mode is ${mode.value}` };
      }
    },
  },
  {
    id: 'k3s-snapshots-off',
    severity: 'error',
    title: 'there are no snapshots of etcd',
    why: 'When the quorum is lost or somebody deletes the wrong thing, there is nothing to go back to.',
    fix: 'Remove etcd-disable-snapshots, keep at least 5 (etcd-snapshot-retention), and copy them to another place (etcd-s3).',
    sources: ['docs.k3s.io/cli/etcd-snapshot'],
    examples: {
      bad: [{ [K3S]: `cluster-init: true\netcd-disable-snapshots: true\n${TOKEN}` }],
      good: [{ [K3S]: `cluster-init: true\netcd-snapshot-retention: 5\n${TOKEN}` }],
    },
    *check(facts) {
      for (const program of servers(facts)) {
        const off = flagNamed(program, 'etcd-disable-snapshots');
        const kept = flagNamed(program, 'etcd-snapshot-retention');
        if (off !== undefined && isOn(off)) yield { at: off.span, message: 'etcd-disable-snapshots is on' };
        if (kept?.value === '0') yield { at: kept.span, message: 'etcd-snapshot-retention is 0' };
      }
    },
  },
  {
    id: 'k3s-san-security-off',
    severity: 'warning',
    title: 'anyone can have a name added to the certificate of the servers',
    why: 'With tls-san-security off, every name that a client asks for is added: the certificate grows without bound, and can be made to fit a foreign name.',
    fix: 'Remove tls-san-security, and list the names in tls-san.',
    sources: ['docs.k3s.io/cli/server'],
    examples: {
      bad: [{ [K3S]: `cluster-init: true\ntls-san: [api]\ntls-san-security: false\n${TOKEN}` }],
      good: [{ [K3S]: `cluster-init: true\ntls-san: [api]\n${TOKEN}` }],
    },
    *check(facts) {
      for (const program of programsNamed(facts, 'k3s', 'rke2')) {
        const flag = flagNamed(program, 'tls-san-security');
        if (flag !== undefined && isOff(flag)) yield { at: flag.span, message: 'tls-san-security is off' };
      }
    },
  },
];
