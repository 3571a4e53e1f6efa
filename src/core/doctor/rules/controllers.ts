import type { Facts } from '../facts.ts';
import { hasSeveralControlPlanes } from '../look/addresses.ts';
import { clusterMinor } from '../look/documents.ts';
import { flagNamed, flagText, hostOf, isOff, programsNamed, valueAtFlag } from '../look/flags.ts';
import { durationMs, kubernetesMinor, secondsText } from '../look/values.ts';
import type { Program } from '../read/program.ts';
import { imageTag } from '../read/program-names.ts';
import type { Hit, Rule } from '../rule.ts';
import { clusterConfiguration, kubeadm, staticPod } from './examples.ts';

/* kube-controller-manager and kube-scheduler; and flags that programs of Kubernetes have no more. */

const controllers = (facts: Facts) => programsNamed(facts, 'kube-controller-manager', 'kube-scheduler', 'cloud-controller-manager');

const LEASE = [
  { name: 'leader-elect-lease-duration', fallback: 15_000 },
  { name: 'leader-elect-renew-deadline', fallback: 10_000 },
  { name: 'leader-elect-retry-period', fallback: 2000 },
] as const;

function* leaseOrder(facts: Facts): Iterable<Hit> {
  for (const program of controllers(facts)) {
    const flags = LEASE.map(({ name }) => flagNamed(program, name));
    const at = flags.find((flag) => flag !== undefined);
    const [duration, renew, retry] = LEASE.map(({ name, fallback }) => durationMs(flagText(program, name) ?? '') ?? fallback) as [
      number,
      number,
      number,
    ];
    if (at !== undefined && (duration <= renew || renew <= retry * 1.2))
      yield {
        at: at.span,
        message: `lease, renew and retry of ${program.name} are ${secondsText(duration)}, ${secondsText(renew)} and ${secondsText(retry)}`,
      };
  }
}

function* electionOff(facts: Facts): Iterable<Hit> {
  const programs = controllers(facts);
  const isSeveral =
    hasSeveralControlPlanes(facts) ||
    ['kube-controller-manager', 'kube-scheduler'].some(
      (name) => new Set(programs.filter((one) => one.name === name && one.origin === 'pod').map(hostOf)).size > 1,
    );
  for (const program of isSeveral ? programs : []) {
    const flag = flagNamed(program, 'leader-elect');
    if (flag !== undefined && isOff(flag)) yield { at: flag.span, message: `${program.name} runs with leader-elect=false` };
  }
}

/** HTTP/2's ping and its answer, after which a kubelet gives a dead connection up (client-go: 30 s and 15 s). */
const CONNECTION_MS = 45_000;

/** The release since which a program surely has the flag no more. */
const GONE: Readonly<Record<string, Readonly<Record<string, { since: number; instead: string }>>>> = {
  'kube-apiserver': {
    'basic-auth-file': { since: 19, instead: 'OIDC or certificates' },
    'etcd-quorum-read': { since: 22, instead: 'nothing: every read is a quorum read' },
    'enable-swagger-ui': { since: 22, instead: 'nothing' },
    'experimental-encryption-provider-config': { since: 30, instead: 'encryption-provider-config' },
    'insecure-bind-address': { since: 24, instead: 'nothing' },
    'insecure-port': { since: 24, instead: 'nothing' },
    'kubelet-https': { since: 24, instead: 'nothing' },
    'service-account-api-audiences': { since: 26, instead: 'api-audiences' },
    logtostderr: { since: 26, instead: 'nothing' },
    'log-dir': { since: 26, instead: 'nothing' },
    'admission-control': { since: 26, instead: 'enable-admission-plugins' },
  },
  'kube-controller-manager': {
    address: { since: 24, instead: 'bind-address' },
    port: { since: 24, instead: 'secure-port' },
    'pod-eviction-timeout': {
      since: 27,
      instead: 'tolerationSeconds of Pods, or default-unreachable-toleration-seconds of the API server',
    },
    'enable-taint-manager': { since: 27, instead: 'nothing' },
    'experimental-cluster-signing-duration': { since: 25, instead: 'cluster-signing-duration' },
    'horizontal-pod-autoscaler-use-rest-clients': { since: 24, instead: 'nothing' },
    logtostderr: { since: 26, instead: 'nothing' },
    'log-dir': { since: 26, instead: 'nothing' },
  },
  'kube-scheduler': {
    address: { since: 24, instead: 'bind-address' },
    port: { since: 24, instead: 'secure-port' },
    'policy-config-file': { since: 23, instead: 'config' },
    'algorithm-provider': { since: 23, instead: 'config' },
    logtostderr: { since: 26, instead: 'nothing' },
    'log-dir': { since: 26, instead: 'nothing' },
  },
  kubelet: {
    'network-plugin': { since: 24, instead: 'nothing' },
    'cni-bin-dir': { since: 24, instead: "the container runtime's configuration" },
    'cni-conf-dir': { since: 24, instead: "the container runtime's configuration" },
    'docker-endpoint': { since: 24, instead: 'container-runtime-endpoint' },
    'image-pull-progress-deadline': { since: 24, instead: 'nothing' },
    'dynamic-config-dir': { since: 24, instead: 'config' },
    'container-runtime': { since: 27, instead: 'nothing' },
    'pod-infra-container-image': { since: 35, instead: "the container runtime's configuration" },
    'allow-privileged': { since: 24, instead: 'nothing' },
    'cadvisor-port': { since: 24, instead: 'nothing' },
    logtostderr: { since: 26, instead: 'nothing' },
    'log-dir': { since: 26, instead: 'nothing' },
  },
};

function* gone(facts: Facts): Iterable<Hit> {
  const ofCluster = clusterMinor(facts);
  for (const program of facts.programs) {
    const table = Object.hasOwn(GONE, program.name) ? GONE[program.name] : undefined;
    if (table === undefined || program.origin === 'script') continue;
    const minor = kubernetesMinor(imageTag(program.image?.text ?? '') ?? '') ?? ofCluster;
    for (const flag of program.flags) {
      const entry = Object.hasOwn(table, flag.name) ? table[flag.name] : undefined;
      if (entry === undefined || entry.since > (minor ?? 900)) continue;
      const instead = entry.instead.startsWith('nothing')
        ? `it goes without${entry.instead.slice('nothing'.length)}`
        : `instead: ${entry.instead}`;
      yield {
        at: flag.span,
        message: `${program.name} ${minor === undefined ? 'of every supported release' : `1.${minor}`} has no flag --${flag.name}; ${instead}`,
      };
    }
  }
}

const KCM = (...flags: string[]) => staticPod('kube-controller-manager', { command: ['kube-controller-manager', ...flags] });
const graceOf = (program: Program) => durationMs(flagText(program, 'node-monitor-grace-period') ?? '');

export const controllerRules: readonly Rule[] = [
  {
    id: 'controller-leader-election-off',
    severity: 'error',
    title: 'several control-plane nodes, and leader election is off',
    why: 'Each node runs a controller manager or scheduler that believes it is alone: they undo what the other did, and Pods are made twice or bound twice.',
    fix: 'Remove the argument; leader-elect is true by default.',
    sources: ['kubernetes.io/docs/reference/command-line-tools-reference/kube-controller-manager, --leader-elect'],
    examples: {
      bad: [
        {
          'kubeadm.yaml': `${clusterConfiguration('controllerManager: {extraArgs: [{name: leader-elect, value: "false"}]}\n')}---\n${kubeadm('JoinConfiguration', 'controlPlane: {certificateKey: x}\n')}`,
        },
        { 'cp1/kcm.yaml': KCM('--leader-elect=false'), 'cp2/kcm.yaml': KCM('--leader-elect=false') },
      ],
      good: [{ 'kubeadm.yaml': clusterConfiguration('controllerManager: {extraArgs: [{name: leader-elect, value: "false"}]}\n') }],
    },
    check: electionOff,
  },
  {
    id: 'controller-lease-order',
    severity: 'error',
    title: 'the lease times of a controller are out of order',
    why: 'The program stops with "leaseDuration must be greater than renewDeadline", on every node.',
    fix: 'Keep lease > renew > 1.2 × retry: 15s, 10s and 2s.',
    sources: ['client-go, tools/leaderelection'],
    examples: {
      bad: [{ 'kcm.yaml': KCM('--leader-elect-lease-duration=10s') }],
      good: [{ 'kcm.yaml': KCM('--leader-elect-lease-duration=30s', '--leader-elect-renew-deadline=20s') }],
    },
    check: leaseOrder,
  },
  {
    id: 'controller-grace-short',
    severity: 'warning',
    title: 'nodes count as dead before their kubelet can notice a dead connection',
    why: 'When an API server vanishes, kubelets keep waiting on their connection for up to 45 s. With less patience than that, every node that was connected to it becomes NotReady at once.',
    fix: 'Set node-monitor-grace-period to 50s (the default since 1.32), or lower HTTP2_READ_IDLE_TIMEOUT_SECONDS and HTTP2_PING_TIMEOUT_SECONDS of the kubelets.',
    sources: ['kubernetes #121793', 'kubernetes PR 126287'],
    examples: {
      bad: [{ 'kcm.yaml': KCM('--node-monitor-grace-period=20s') }],
      good: [{ 'kcm.yaml': KCM('--node-monitor-grace-period=50s') }],
    },
    *check(facts) {
      const isLowered = facts.units.some(({ settings }) => settings.some(({ value }) => value.includes('HTTP2_READ_IDLE_TIMEOUT_SECONDS')));
      for (const program of isLowered ? [] : programsNamed(facts, 'kube-controller-manager')) {
        const flag = flagNamed(program, 'node-monitor-grace-period');
        const graceMs = graceOf(program);
        if (flag !== undefined && graceMs !== undefined && graceMs < CONNECTION_MS)
          yield {
            at: valueAtFlag(flag),
            message: `node-monitor-grace-period is ${secondsText(graceMs)}, less than the ${secondsText(CONNECTION_MS)} that a kubelet waits on a dead connection`,
          };
      }
    },
  },
  {
    id: 'kubernetes-flag-gone',
    severity: 'error',
    title: 'a program is given a flag that it has no more',
    why: 'It ends at once with "unknown flag", and the control plane of the node does not come up: usually in the middle of an upgrade.',
    fix: 'Remove the flag, or use what has taken its place.',
    sources: ['kubernetes CHANGELOG', 'kubernetes.io/docs/reference/command-line-tools-reference'],
    examples: {
      bad: [
        { 'kcm.yaml': KCM('--pod-eviction-timeout=5m') },
        { 'kube-apiserver.yaml': staticPod('kube-apiserver', { command: ['kube-apiserver', '--insecure-port=0'] }) },
      ],
      good: [
        {
          'kcm.yaml': staticPod('kube-controller-manager', {
            image: 'registry.k8s.io/kube-controller-manager:v1.22.4',
            command: ['kube-controller-manager', '--pod-eviction-timeout=5m'],
          }),
        },
      ],
    },
    check: gone,
  },
  {
    id: 'apiserver-count',
    severity: 'info',
    title: 'the API server is told how many there are',
    why: 'The number only counts with endpoint-reconciler-type=master-count, which keeps dead addresses. It is deprecated and has no other effect.',
    fix: 'Remove apiserver-count.',
    sources: ['kubernetes.io/docs/reference/command-line-tools-reference/kube-apiserver, --apiserver-count'],
    examples: {
      bad: [{ 'kube-apiserver.yaml': staticPod('kube-apiserver', { command: ['kube-apiserver', '--apiserver-count=3'] }) }],
      good: [{ 'kube-apiserver.yaml': staticPod('kube-apiserver', { command: ['kube-apiserver'] }) }],
    },
    *check(facts) {
      for (const program of programsNamed(facts, 'kube-apiserver')) {
        const flag = flagNamed(program, 'apiserver-count');
        if (flag !== undefined) yield { at: flag.span, message: `apiserver-count is ${flag.value}` };
      }
    },
  },
];
