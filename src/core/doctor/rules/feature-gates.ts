import type { Facts } from '../facts.ts';
import { clusterMinor } from '../look/documents.ts';
import { kubernetesMinor } from '../look/values.ts';
import { imageTag } from '../read/program-names.ts';
import type { Flag, Program } from '../read/program.ts';
import type { Rule } from '../rule.ts';
import { staticPod } from './examples.ts';

/* Feature gates of Kubernetes that are gone (kubernetes.io/docs/reference/command-line-tools-reference/feature-gates-removed). */

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

/** What the program's own image says, or the whole set; undefined where nothing does, as with k3s. */
const minorOf = (facts: Facts, { image }: Program): number | undefined =>
  (image === undefined ? undefined : kubernetesMinor(imageTag(image.text) ?? '')) ?? clusterMinor(facts);

/** Gates of `--feature-gates=A=true,B=false`; of k3s' kubelet-arg likewise. */
function* gates({ flags }: Program): Iterable<{ flag: Flag; gate: string }> {
  for (const flag of flags)
    if (flag.name === 'feature-gates')
      for (const one of (flag.value ?? '').split(',')) yield { flag, gate: one.trim().replace(/=.*$/, '') };
}

const POD = (gate: string) =>
  staticPod('kube-apiserver', {
    image: 'registry.k8s.io/kube-apiserver:v1.36.4',
    command: ['kube-apiserver', `--feature-gates=${gate}=true`],
  });

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
];
