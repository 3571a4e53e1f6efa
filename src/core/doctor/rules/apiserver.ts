import type { Facts } from '../facts.ts';
import { backends, hasBalancer } from '../look/addresses.ts';
import { flagNamed, flagText, hostOf, isOff, isOpen, onePerHost, programsNamed, valueAtFlag } from '../look/flags.ts';
import { durationMs, hostAndPort, isLoopback, secondsText } from '../look/values.ts';
import type { Program } from '../read/program.ts';
import { podSpecPath } from '../read/program-pods.ts';
import { listAt, mapAt, type Path, textAt, valueAt } from '../read/yaml.ts';
import type { Hit, Rule } from '../rule.ts';
import { clusterConfiguration, staticPod } from './examples.ts';

/* kube-apiserver behind a balancer: its flags and its probes. */

const apiservers = (facts: Facts) => programsNamed(facts, 'kube-apiserver');

function* anonymousOff(facts: Facts): Iterable<Hit> {
  for (const program of apiservers(facts)) {
    const flag = flagNamed(program, 'anonymous-auth');
    // k3s and RKE2 have it off, and probe with a certificate.
    if (flag === undefined || !isOff(flag) || program.origin === 'k3s' || program.origin === 'rke2') continue;
    const probed = program.origin === 'kubeadm' || probes(program).length > 0;
    if (probed || backends(facts).length > 0)
      yield {
        at: flag.span,
        message: `anonymous-auth is off, so ${probed ? "the kubelet's probes get 401" : "a balancer's health checks get 401"}`,
      };
  }
}

interface Probe {
  path: Path;
  request: Readonly<Record<string, unknown>>;
  kind: string;
}

/** The HTTP probes of the container that a program is in. */
function probes({ document, name }: Program): Probe[] {
  const spec = document === undefined ? undefined : podSpecPath(document);
  if (document === undefined || spec === undefined) return [];
  return listAt(document.value, [...spec, 'containers']).flatMap((container, i) =>
    textAt(container, ['name']) !== name
      ? []
      : ['livenessProbe', 'readinessProbe', 'startupProbe'].flatMap((kind) => {
          const path = [...spec, 'containers', i, kind, 'httpGet'];
          const request = mapAt(document.value, path);
          return Object.keys(request).length === 0 ? [] : [{ path, request, kind }];
        }),
  );
}

function* oldProbes(facts: Facts): Iterable<Hit> {
  for (const program of apiservers(facts))
    for (const { path, request, kind } of probes(program)) {
      const at = program.document?.span([...path, 'path']);
      if (request['path'] !== '/healthz' || at === undefined) continue;
      const to = kind === 'readinessProbe' ? '/readyz' : '/livez';
      yield { at, message: `${kind} asks /healthz, which is deprecated for ${to}`, edits: [{ span: at, text: to }] };
    }
}

function* misplacedProbes(facts: Facts): Iterable<Hit> {
  for (const program of apiservers(facts)) {
    const bind = flagText(program, 'bind-address');
    if (bind === undefined || bind === '0.0.0.0' || bind === '::' || isOpen(bind)) continue;
    for (const { path, request, kind } of probes(program)) {
      const host = typeof request['host'] === 'string' ? request['host'] : undefined;
      const at = program.document?.span([...path, 'host']);
      if (host !== undefined && host !== bind && at !== undefined)
        yield { at, message: `${kind} asks ${host}, but bind-address is ${bind}` };
    }
  }
}

function* shortGrace(facts: Facts): Iterable<Hit> {
  for (const program of apiservers(facts)) {
    const delay = flagNamed(program, 'shutdown-delay-duration');
    const delayMs = durationMs(delay?.value ?? '');
    const { document } = program;
    const spec = document === undefined ? undefined : podSpecPath(document);
    if (delay === undefined || delayMs === undefined || document === undefined || spec === undefined) continue;
    const grace = Number(valueAt(document.value, [...spec, 'terminationGracePeriodSeconds']) ?? 30);
    if (delayMs >= grace * 1000)
      yield {
        at: valueAtFlag(delay),
        message: `shutdown-delay-duration is ${secondsText(delayMs)}, but the kubelet kills the Pod after ${grace} s`,
      };
  }
}

/** Flags that every API server of a cluster must have alike. */
const ALIKE = [
  'service-account-issuer',
  'service-cluster-ip-range',
  'api-audiences',
  'authorization-mode',
  'etcd-prefix',
  'service-node-port-range',
  'encryption-provider-config',
  'storage-media-type',
  'enable-admission-plugins',
];

/** All values that a program has for a flag. */
const allOf = ({ flags }: Program, name: string): string =>
  flags.flatMap((flag) => (flag.name === name ? (flag.value ?? '') : [])).join(',');

/** API servers that differ in more than this are of different clusters. */
const DIFFERENCES_MAX = 2;

function* differing(facts: Facts): Iterable<Hit> {
  const [first, ...others] = onePerHost(apiservers(facts).filter(({ complete, origin }) => complete && origin !== 'script'));
  for (const program of first === undefined ? [] : others) {
    const names = ALIKE.filter((name) => allOf(program, name) !== allOf(first as Program, name));
    for (const name of names.length > DIFFERENCES_MAX ? [] : names) {
      const [own, other] = [allOf(program, name), allOf(first as Program, name)];
      yield {
        at: flagNamed(program, name)?.span ?? program.at,
        message: `${name} is ${own === '' ? 'not set' : own} here, and ${other === '' ? 'not set' : other} on ${hostOf(first as Program)}`,
      };
    }
  }
}

function* oneEtcd(facts: Facts): Iterable<Hit> {
  const programs = apiservers(facts);
  for (const program of programs) {
    const flag = flagNamed(program, 'etcd-servers');
    const [only, ...more] = (flag?.value ?? '').split(',');
    const host = hostAndPort(only ?? '')?.host;
    if (flag === undefined || more.length > 0 || host === undefined || isOpen(host) || isLoopback(host)) continue;
    // Its own member, as kubeadm has it, comes and goes with the API server.
    if (host !== flagText(program, 'advertise-address'))
      yield { at: valueAtFlag(flag), message: `the API server knows one etcd server only, ${host}` };
  }
}

/** Where the flags of an API server that stands behind a balancer could be added. */
export function* behindBalancer(facts: Facts): Iterable<Program> {
  if (!hasBalancer(facts)) return;
  for (const program of apiservers(facts)) if (program.complete && program.origin !== 'script') yield program;
}

/** kube-apiserver as a static pod with these flags. */
export const API = (...flags: string[]) => staticPod('kube-apiserver', { command: ['kube-apiserver', ...flags] });
const PROBE = (httpGet: string, flags: string[] = [], kind = 'livenessProbe') =>
  staticPod('kube-apiserver', { command: ['kube-apiserver', ...flags], more: `    ${kind}:\n      httpGet: {${httpGet}}\n` });
/** A balancer in front of two API servers. */
export const TWO_BACKENDS = 'backend cps\n  server a 10.0.0.1:6443 check\n  server b 10.0.0.2:6443 check\n';

export const apiserverRules: readonly Rule[] = [
  {
    id: 'apiserver-anonymous-off',
    severity: 'error',
    title: 'the API server turns health checks away',
    why: 'Probes and balancers have no credentials. With anonymous-auth off they get 401: the kubelet restarts a healthy API server, and a balancer takes all of them for dead.',
    fix: 'Allow anonymous requests for /livez, /readyz and /healthz only, with an AuthenticationConfiguration (--authentication-config); for kubeadm join by token also for the ConfigMap cluster-info.',
    sources: ['kubernetes.io/docs/reference/access-authn-authz/authentication, anonymous requests'],
    examples: {
      bad: [
        { 'kubeadm.yaml': clusterConfiguration('apiServer: {extraArgs: [{name: anonymous-auth, value: "false"}]}\n') },
        { 'kube-apiserver.yaml': API('--anonymous-auth=false'), 'haproxy.cfg': TWO_BACKENDS },
      ],
      good: [
        {
          'kubeadm.yaml': clusterConfiguration(
            'apiServer: {extraArgs: [{name: authentication-config, value: /etc/kubernetes/auth.yaml}]}\n',
          ),
        },
      ],
    },
    check: anonymousOff,
  },
  {
    id: 'apiserver-probe-healthz',
    severity: 'info',
    title: 'a probe of the API server asks /healthz',
    why: 'It is deprecated since 1.16, and says nothing of a start or a shutdown that is going on.',
    fix: 'Ask /livez for liveness and startup, /readyz for readiness.',
    sources: ['kubernetes.io/docs/reference/using-api/health-checks'],
    examples: {
      bad: [{ 'kube-apiserver.yaml': PROBE('host: 10.0.0.1, path: /healthz, port: 6443, scheme: HTTPS') }],
      good: [{ 'kube-apiserver.yaml': PROBE('host: 10.0.0.1, path: /livez, port: 6443, scheme: HTTPS') }],
    },
    check: oldProbes,
  },
  {
    id: 'apiserver-probe-host',
    severity: 'error',
    title: 'a probe asks an address on which the API server does not listen',
    why: 'The probe fails for ever, so the kubelet restarts a healthy API server every minute.',
    fix: 'Give the probe the address of bind-address.',
    sources: ['kubernetes.io/docs/reference/command-line-tools-reference/kube-apiserver, --bind-address'],
    examples: {
      bad: [{ 'kube-apiserver.yaml': PROBE('host: 127.0.0.1, path: /livez, port: 6443', ['--bind-address=10.0.0.1']) }],
      good: [{ 'kube-apiserver.yaml': PROBE('host: 10.0.0.1, path: /livez, port: 6443', ['--bind-address=10.0.0.1']) }],
    },
    check: misplacedProbes,
  },
  {
    id: 'apiserver-shutdown-delay',
    severity: 'info',
    title: 'the API server goes away before balancers know',
    why: 'It stops taking connections at once when it is restarted or upgraded. Until the health check has noticed, every new connection that is sent to it fails.',
    fix: 'Set shutdown-delay-duration to more than the balancer needs to notice, such as 20s, and terminationGracePeriodSeconds of its Pod to 60 or more.',
    sources: ['kubernetes.io/docs/reference/command-line-tools-reference/kube-apiserver, --shutdown-delay-duration'],
    examples: {
      bad: [{ 'kube-apiserver.yaml': API('--shutdown-delay-duration=0s'), 'haproxy.cfg': TWO_BACKENDS }],
      good: [
        { 'kube-apiserver.yaml': API('--shutdown-delay-duration=20s'), 'haproxy.cfg': TWO_BACKENDS },
        { 'kube-apiserver.yaml': API() },
      ],
    },
    *check(facts) {
      if (backends(facts).length < 2) return;
      for (const program of behindBalancer(facts)) {
        const delay = flagNamed(program, 'shutdown-delay-duration');
        if (durationMs(delay?.value ?? '0') === 0)
          yield { at: delay?.span ?? program.at, message: 'shutdown-delay-duration is 0, behind a balancer' };
      }
    },
  },
  {
    id: 'apiserver-shutdown-grace',
    severity: 'error',
    title: 'the kubelet kills the API server while it still waits to shut down',
    why: 'Requests and watches are cut off instead of drained, so the delay does harm and no good.',
    fix: 'Set terminationGracePeriodSeconds of the static pod to shutdown-delay-duration and a minute more; with kubeadm by a patch.',
    sources: ['kubernetes.io/docs/reference/command-line-tools-reference/kube-apiserver, --shutdown-delay-duration'],
    examples: {
      bad: [{ 'kube-apiserver.yaml': API('--shutdown-delay-duration=40s') }],
      good: [
        {
          'kube-apiserver.yaml': staticPod('kube-apiserver', {
            command: ['kube-apiserver', '--shutdown-delay-duration=20s'],
            more: '  terminationGracePeriodSeconds: 90\n',
          }),
        },
      ],
    },
    check: shortGrace,
  },
  {
    id: 'apiserver-endpoint-reconciler',
    severity: 'error',
    title: 'the Service kubernetes keeps addresses of dead API servers',
    why: 'With master-count nobody removes the address of an API server that crashed: a part of all connections from Pods fails until it is back.',
    fix: 'Remove endpoint-reconciler-type and apiserver-count; the default, lease, drops a dead one after 15 s.',
    sources: ['kubernetes.io/docs/reference/command-line-tools-reference/kube-apiserver, --endpoint-reconciler-type'],
    examples: {
      bad: [{ 'kube-apiserver.yaml': API('--endpoint-reconciler-type=master-count') }],
      good: [{ 'kube-apiserver.yaml': API('--endpoint-reconciler-type=lease') }],
    },
    *check(facts) {
      for (const program of apiservers(facts)) {
        const flag = flagNamed(program, 'endpoint-reconciler-type');
        if (flag?.value === 'master-count') yield { at: flag.span, message: 'endpoint-reconciler-type is master-count' };
      }
    },
  },
  {
    id: 'apiserver-etcd-one',
    severity: 'warning',
    title: 'the API server knows one etcd server, on another host',
    why: 'When that one is away the API server fails, though etcd has its quorum; and with the same one everywhere, so does the whole API.',
    fix: "List every member in etcd-servers, or only the API server's own (https://127.0.0.1:2379) where etcd runs beside it.",
    sources: ['kubernetes.io/docs/tasks/administer-cluster/configure-upgrade-etcd'],
    examples: {
      bad: [{ 'kube-apiserver.yaml': API('--advertise-address=10.0.0.1', '--etcd-servers=https://10.0.0.21:2379') }],
      good: [
        { 'kube-apiserver.yaml': API('--advertise-address=10.0.0.1', '--etcd-servers=https://10.0.0.1:2379') },
        { 'kube-apiserver.yaml': API('--etcd-servers=https://10.0.0.21:2379,https://10.0.0.22:2379,https://10.0.0.23:2379') },
      ],
    },
    check: oneEtcd,
  },
  {
    id: 'apiserver-etcd-plain',
    severity: 'error',
    title: 'the API server speaks to etcd without TLS over the network',
    why: 'Every Secret goes over the wire in the clear, and an etcd that takes such connections takes them from anybody.',
    fix: 'Use https:// with etcd-cafile, etcd-certfile and etcd-keyfile.',
    sources: ['kubernetes.io/docs/tasks/administer-cluster/configure-upgrade-etcd'],
    examples: {
      bad: [{ 'kube-apiserver.yaml': API('--etcd-servers=http://10.0.0.21:2379,http://10.0.0.22:2379') }],
      good: [{ 'kube-apiserver.yaml': API('--etcd-servers=http://127.0.0.1:2379') }],
    },
    *check(facts) {
      for (const program of apiservers(facts)) {
        const flag = flagNamed(program, 'etcd-servers');
        const plain = (flag?.value ?? '').split(',').find((url) => url.startsWith('http://') && !isLoopback(hostAndPort(url)?.host ?? ''));
        if (flag !== undefined && plain !== undefined) yield { at: valueAtFlag(flag), message: `etcd-servers has ${plain}, without TLS` };
      }
    },
  },
  {
    id: 'apiserver-flags-differ',
    severity: 'error',
    title: 'API servers of one cluster have different settings',
    why: 'They take one another for forgers of tokens, cannot read Secrets that another one encrypted, or admit what another one refuses: requests fail or not, by which one they reach.',
    fix: 'Give every API server the same value; key files and the encryption configuration must be the same as well.',
    sources: ['kubernetes.io/docs/reference/command-line-tools-reference/kube-apiserver'],
    examples: {
      bad: [
        {
          'cp1/kube-apiserver.yaml': API('--service-account-issuer=https://a'),
          'cp2/kube-apiserver.yaml': API('--service-account-issuer=https://b'),
        },
      ],
      good: [
        {
          'cp1/kube-apiserver.yaml': API('--service-account-issuer=https://a'),
          'cp2/kube-apiserver.yaml': API('--service-account-issuer=https://a'),
        },
      ],
    },
    check: differing,
  },
  {
    id: 'apiserver-token-file',
    severity: 'warning',
    title: 'tokens stand in a file',
    why: 'They never expire, and to take one back every API server has to be restarted with a new file, the same on each.',
    fix: 'Use certificates, ServiceAccount tokens or OIDC; for joining nodes, bootstrap tokens.',
    sources: ['kubernetes.io/docs/reference/access-authn-authz/authentication, static token file'],
    examples: {
      bad: [{ 'kube-apiserver.yaml': API('--token-auth-file=/etc/kubernetes/tokens.csv') }],
      good: [{ 'kube-apiserver.yaml': API() }],
    },
    *check(facts) {
      for (const program of apiservers(facts)) {
        const flag = flagNamed(program, 'token-auth-file');
        if (flag !== undefined) yield { at: flag.span, message: 'token-auth-file is set' };
      }
    },
  },
];
