/** kwok (sigs.k8s.io/kwok), which stands in for kubelets: it answers for Nodes and Pods in the API, and runs nothing. */
import { stringify } from 'yaml';
import { HaleError } from '../../base/error.ts';
import { runOrFail } from '../command.ts';
import { findProgram } from '../find-program.ts';
import { kubernetesCache } from '../kubernetes/programs.ts';

export interface Kwok {
  path: string;
  /** `v0.8.0`. */
  version: string;
}

/** The program in the folder `wanted`, or on PATH, or in the cache. Throws HaleError `lab_kwok_not_found`. */
export async function findKwok(wanted: string | undefined): Promise<Kwok> {
  const found = (wanted && findProgram('kwok', [wanted])) || kwokPath();
  if (found) return { path: found, version: /\bv\d[\w.+-]*/.exec(await runOrFail([found, '--version']))?.[0] ?? 'of an unknown version' };
  throw new HaleError({
    code: 'lab_kwok_not_found',
    kind: 'usage',
    message: `nodes in a lab need kwok, which is neither on PATH nor in ${kubernetesCache()}`,
    remedy: 'get it with `npm run kubernetes:get -- kwok`, or leave --nodes out',
  });
}

/** On PATH, or in the cache. */
export function kwokPath(): string | undefined {
  return findProgram('kwok') ?? findProgram('kwok', [kubernetesCache()]);
}

/** How long a Pod takes: a number of seconds, `20s`. Without it 1 to 3 s; its end never longer than its grace period. */
export const READY_AFTER_ANNOTATION = 'lab.hale.dev/ready-after';
export const STOPS_AFTER_ANNOTATION = 'lab.hale.dev/stops-after';

/** What `--config` reads: how nodes and Pods live. Leases are renewed for each node beside kwok (kubelets/heartbeat.ts), which would own all of them as one. */
export function kwokConfiguration(options: { podSubnet: string }): string {
  const configuration = {
    apiVersion: 'config.kwok.x-k8s.io/v1alpha1',
    kind: 'KwokConfiguration',
    options: {
      cidr: options.podSubnet,
      nodePlayStageParallelism: 16,
      podPlayStageParallelism: 16,
      podsOnNodeSyncParallelism: 4,
    },
  };
  return [configuration, ...STAGES].map((document) => stringify(document, { lineWidth: 0 })).join('---\n');
}

/** For the link between kwok and the API (kubelets/link.ts): plain HTTP, on the loopback of a network that nobody else is in. */
export function linkKubeconfig(port: number): string {
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'lab',
    clusters: [{ name: 'lab', cluster: { server: `http://127.0.0.1:${port}` } }],
    users: [{ name: 'lab', user: {} }],
    contexts: [{ name: 'lab', context: { cluster: 'lab', user: 'lab' } }],
  };
  return JSON.stringify(config);
}

interface StageOptions {
  kind: 'Node' | 'Pod';
  when: readonly object[];
  delay?: object;
  next: object;
}

function stage(name: string, { kind, when, delay, next }: StageOptions): object {
  return {
    apiVersion: 'kwok.x-k8s.io/v1alpha1',
    kind: 'Stage',
    metadata: { name },
    spec: { resourceRef: { apiGroup: 'v1', kind }, selector: { matchExpressions: when }, ...(delay === undefined ? {} : { delay }), next },
  };
}

const READY = '.status.conditions.[] | select( .type == "Ready" ) | .status';
const isReady = { key: READY, operator: 'In', values: ['True'] };
const isNotReady = { key: READY, operator: 'NotIn', values: ['True'] };
const isKept = { key: '.metadata.deletionTimestamp', operator: 'DoesNotExist' };
const isDeleted = { key: '.metadata.deletionTimestamp', operator: 'Exists' };
const hasPhase = (phase: string) => ({ key: '.status.phase', operator: 'In', values: [phase] });

/** From 1 to 3 s, or what the annotation says; kwok takes the later bound where both are the same. */
function after(annotation: string): object {
  const seconds = (usual: number) => `(.metadata.annotations["${annotation}"] // "${usual}s" | rtrimstr("s") | tonumber)`;
  const bound = (usual: number) => ({
    expressionFrom: `[${seconds(usual)}, (.metadata.deletionGracePeriodSeconds // 1e9)] | min | "\\(.)s"`,
  });
  return { durationMilliseconds: 1000, durationFrom: bound(1), jitterDurationMilliseconds: 3000, jitterDurationFrom: bound(3) };
}

const conditions = (status: string, types: readonly string[]): string =>
  types
    .map((type) => `- {type: ${type}, status: "${status}", reason: null, message: null, lastTransitionTime: {{ $now | Quote }}}`)
    .join('\n');

/** Strategic merge: what a patch does not name stays, and conditions go by their types; containers' statuses are replaced as a whole. */
const STAGES: readonly object[] = [
  stage('node-ready', {
    kind: 'Node',
    when: [isNotReady],
    next: {
      statusTemplate: `{{ $now := Now }}
conditions:
{{ range NodeConditions }}
- type: {{ .type | Quote }}
  status: {{ .status | Quote }}
  reason: {{ .reason | Quote }}
  message: {{ .message | Quote }}
  lastHeartbeatTime: {{ $now | Quote }}
  lastTransitionTime: {{ $now | Quote }}
{{ end }}`,
    },
  }),
  // A kubelet posts a status without news every 5 minutes (nodeStatusReportFrequency).
  stage('node-status', {
    kind: 'Node',
    when: [isReady],
    delay: { durationMilliseconds: 290_000, jitterDurationMilliseconds: 310_000 },
    next: {
      statusTemplate: `{{ $now := Now }}
conditions:
{{ range NodeConditions }}
- type: {{ .type | Quote }}
  status: {{ .status | Quote }}
  reason: {{ .reason | Quote }}
  lastHeartbeatTime: {{ $now | Quote }}
{{ end }}`,
    },
  }),
  stage('pod-ready', {
    kind: 'Pod',
    when: [isKept, hasPhase('Pending')],
    delay: after(READY_AFTER_ANNOTATION),
    next: {
      statusTemplate: `{{ $now := Now }}
conditions:
${conditions('True', ['PodReadyToStartContainers', 'Initialized', 'ContainersReady', 'Ready'])}
{{ range .spec.readinessGates }}
- {type: {{ .conditionType | Quote }}, status: "True", lastTransitionTime: {{ $now | Quote }}}
{{ end }}
containerStatuses:
{{ range .spec.containers }}
- image: {{ .image | Quote }}
  name: {{ .name | Quote }}
  ready: true
  started: true
  restartCount: 0
  state: {running: {startedAt: {{ $now | Quote }}}}
{{ end }}
initContainerStatuses:
{{ range .spec.initContainers }}
- image: {{ .image | Quote }}
  name: {{ .name | Quote }}
  ready: true
  restartCount: 0
  state: {terminated: {exitCode: 0, reason: Completed, startedAt: {{ $now | Quote }}, finishedAt: {{ $now | Quote }}}}
{{ end }}
{{ $hostIPs := NodeIPsWith .spec.nodeName }}
{{ with $hostIPs }}
hostIP: {{ index . 0 | Quote }}
hostIPs:
{{ range . }}
- ip: {{ . | Quote }}
{{ end }}
{{ end }}
{{ $podIPs := PodIPsWith .spec.nodeName ( or .spec.hostNetwork false ) ( or .metadata.uid "" ) ( or .metadata.name "" ) ( or .metadata.namespace "" ) }}
{{ with $podIPs }}
podIP: {{ index . 0 | Quote }}
podIPs:
{{ range . }}
- ip: {{ . | Quote }}
{{ end }}
{{ end }}
phase: Running
startTime: {{ $now | Quote }}`,
    },
  }),
  // The controller manager calls Pods of a lost node not ready; its kubelet says otherwise when it is back.
  stage('pod-ready-again', {
    kind: 'Pod',
    when: [isKept, hasPhase('Running'), isNotReady],
    delay: after(READY_AFTER_ANNOTATION),
    next: {
      statusTemplate: `{{ $now := Now }}
conditions:
${conditions('True', ['ContainersReady', 'Ready'])}
containerStatuses:
{{ range .status.containerStatuses }}
- image: {{ .image | Quote }}
  name: {{ .name | Quote }}
  ready: true
  started: true
  restartCount: {{ .restartCount }}
  state: {running: {startedAt: {{ if .ready }}{{ .state.running.startedAt | Quote }}{{ else }}{{ $now | Quote }}{{ end }}}}
{{ end }}`,
    },
  }),
  stage('pod-end', { kind: 'Pod', when: [isDeleted], delay: after(STOPS_AFTER_ANNOTATION), next: { delete: true } }),
];
