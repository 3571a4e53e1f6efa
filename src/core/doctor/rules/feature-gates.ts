import type { Facts } from '../facts.ts';
import { clusterMinor } from '../look/documents.ts';
import { flagNamed, programsNamed, valueAtFlag } from '../look/flags.ts';
import { kubernetesMinor } from '../look/values.ts';
import { imageTag } from '../read/program-names.ts';
import type { Flag, Program } from '../read/program.ts';
import type { Rule } from '../rule.ts';
import { staticPod } from './examples.ts';

/* Feature gates and admission plugins of Kubernetes that are gone (kubernetes.io/docs/reference/command-line-tools-reference/feature-gates-removed). */

const PROGRAMS = ['kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kubelet', 'kube-proxy'];
/** Minor release that does not know each any more. */
const GONE: Readonly<Record<string, number>> = {
  CSIMigration: 27,
  DynamicKubeletConfig: 26,
  EphemeralContainers: 27,
  ExpandPersistentVolumes: 27,
  GenericEphemeralVolume: 25,
  IPv6DualStack: 25,
  LegacyServiceAccountTokenNoAutoGeneration: 29,
  MixedProtocolLBService: 28,
  NodeLease: 23,
  PodPriority: 18,
  PodSecurity: 28,
  RemoveSelfLink: 30,
  ServiceLBNodePortControl: 26,
  SuspendJob: 26,
  TTLAfterFinished: 25,
};

/** Admission plugins likewise. */
const GONE_PLUGINS: Readonly<Record<string, number>> = { PodSecurityPolicy: 25, SecurityContextDeny: 30 };

/** What the program's own image says, or the whole set; undefined where nothing does, as with k3s. */
const minorOf = (facts: Facts, { image }: Program): number | undefined =>
  (image === undefined ? undefined : kubernetesMinor(imageTag(image.text) ?? '')) ?? clusterMinor(facts);

/** Gates of `--feature-gates=A=true,B=false`; of k3s' kubelet-arg likewise. */
function* gates({ flags }: Program): Iterable<{ flag: Flag; gate: string }> {
  for (const flag of flags)
    if (flag.name === 'feature-gates')
      for (const one of (flag.value ?? '').split(',')) yield { flag, gate: one.trim().replace(/=.*$/, '') };
}

const AUDIT = (...flags: string[]) =>
  staticPod('kube-apiserver', { image: 'registry.k8s.io/kube-apiserver:v1.36.4', command: ['kube-apiserver', ...flags] });
const POD = (gate: string) => AUDIT(`--feature-gates=${gate}=true`);
const PLUGINS = (plugins: string) => AUDIT(`--enable-admission-plugins=${plugins}`);

export const featureGateRules: readonly Rule[] = [
  {
    id: 'kubernetes-gate-gone',
    severity: 'error',
    title: 'a program is given a feature gate that it has no more',
    why: 'It ends at once with "unrecognized feature gate": after an upgrade the API server, the kubelet or all of k3s does not come back.',
    fix: 'Remove the gate: the feature is on for good, or was given up.',
    sources: ['kubernetes.io/docs/reference/command-line-tools-reference/feature-gates-removed'],
    examples: { bad: [{ 'pod.yaml': POD('MixedProtocolLBService') }], good: [{ 'pod.yaml': POD('SidecarContainers') }] },
    *check(facts) {
      for (const program of facts.programs.filter(({ name }) => PROGRAMS.includes(name)))
        for (const { flag, gate } of gates(program)) {
          const since = Object.hasOwn(GONE, gate) ? (GONE[gate] as number) : undefined;
          const minor = minorOf(facts, program);
          if (since !== undefined && (minor === undefined || minor >= since))
            yield { at: flag.span, message: `${program.name} of 1.${since} and later does not know the gate ${gate}` };
        }
    },
  },
  {
    id: 'apiserver-admission-gone',
    severity: 'error',
    title: 'the API server is given an admission plugin that it has no more',
    why: 'It ends at once: "admission plugin is unknown".',
    fix: 'Remove the plugin; Pod Security Admission, which is on by itself, came in place of PodSecurityPolicy.',
    sources: ['kubernetes.io/docs/reference/access-authn-authz/admission-controllers', 'Kubernetes 1.25 and 1.30 changelogs'],
    examples: {
      bad: [{ 'pod.yaml': PLUGINS('NodeRestriction,PodSecurityPolicy') }],
      good: [{ 'pod.yaml': PLUGINS('NodeRestriction') }],
    },
    *check(facts) {
      for (const program of programsNamed(facts, 'kube-apiserver')) {
        const flag = flagNamed(program, 'enable-admission-plugins');
        const minor = minorOf(facts, program);
        for (const plugin of flag?.value?.split(',') ?? []) {
          const since = Object.hasOwn(GONE_PLUGINS, plugin) ? (GONE_PLUGINS[plugin] as number) : undefined;
          if (flag !== undefined && since !== undefined && (minor === undefined || minor >= since))
            yield { at: valueAtFlag(flag), message: `${plugin} is gone since 1.${since}` };
        }
      }
    },
  },
  {
    id: 'apiserver-audit-nothing',
    severity: 'info',
    title: 'an audit log is asked for, and no policy says what goes into it',
    why: 'Without --audit-policy-file nothing is written.',
    fix: 'Add audit-policy-file and mount the file, or remove audit-log-path.',
    sources: ['kubernetes.io/docs/tasks/debug/debug-cluster/audit'],
    examples: {
      bad: [{ 'pod.yaml': AUDIT('--audit-log-path=/var/log/audit.log') }],
      good: [{ 'pod.yaml': AUDIT('--audit-log-path=/var/log/audit.log', '--audit-policy-file=/etc/kubernetes/audit.yaml') }],
    },
    *check(facts) {
      for (const program of programsNamed(facts, 'kube-apiserver')) {
        const flag = flagNamed(program, 'audit-log-path');
        if (flag !== undefined && flagNamed(program, 'audit-policy-file') === undefined)
          yield { at: valueAtFlag(flag), message: 'there is no audit-policy-file' };
      }
    },
  },
];
