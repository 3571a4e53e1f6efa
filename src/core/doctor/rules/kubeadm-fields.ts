import { documentsOf, KUBEADM } from '../look/documents.ts';
import { kubernetesMinor } from '../look/values.ts';
import { listAt, mapAt, textAt } from '../read/yaml.ts';
import type { Rule } from '../rule.ts';
import { clusterConfiguration, kubeadm } from './examples.ts';

/* Fields of kubeadm's format, and values that later releases read otherwise. */

/** What v1alpha3 and before called otherwise, and where it is since v1beta1 (cmd/kubeadm/app/apis/kubeadm). */
const ALPHA_FIELDS: Readonly<Record<string, string>> = {
  apiServerCertSANs: 'apiServer.certSANs',
  apiServerExtraArgs: 'apiServer.extraArgs',
  apiServerExtraVolumes: 'apiServer.extraVolumes',
  controllerManagerExtraArgs: 'controllerManager.extraArgs',
  controllerManagerExtraVolumes: 'controllerManager.extraVolumes',
  schedulerExtraArgs: 'scheduler.extraArgs',
  schedulerExtraVolumes: 'scheduler.extraVolumes',
  featureFlags: 'featureGates',
};
/** First minor release that still gets fixes (kubernetes.io/releases, 2026). */
const SUPPORTED_MINOR = 35;

export const kubeadmFieldRules: readonly Rule[] = [
  {
    id: 'kubeadm-field-alpha',
    severity: 'error',
    title: 'a field has the name of a format that is gone',
    why: 'kubeadm warns and leaves it out: what it was to set, as names in the certificate, is not set.',
    fix: 'Write it where the format has it since v1beta1.',
    sources: ['kubernetes.io/docs/reference/config-api/kubeadm-config.v1beta4'],
    examples: {
      bad: [{ 'kubeadm.yaml': clusterConfiguration('apiServerCertSANs: [api]\n') }],
      good: [{ 'kubeadm.yaml': clusterConfiguration('apiServer: {certSANs: [api]}\n') }],
    },
    *check(facts) {
      for (const document of documentsOf(facts, `${KUBEADM}v1beta`, 'ClusterConfiguration'))
        for (const name of Object.keys(mapAt(document.value, [])).filter((key) => Object.hasOwn(ALPHA_FIELDS, key)))
          yield { at: document.span([name], 'key'), message: `${name} is ${ALPHA_FIELDS[name]} since v1beta1` };
    },
  },
  {
    id: 'kubeadm-taint-master',
    severity: 'warning',
    title: 'control-plane nodes get a taint of an old name',
    why: 'Since Kubernetes 1.24 add-ons tolerate node-role.kubernetes.io/control-plane only: those that belong on control-plane nodes do not run there.',
    fix: 'Write node-role.kubernetes.io/control-plane, or leave taints out: that one is the default.',
    sources: ['kubernetes/enhancements KEP-2067'],
    examples: {
      bad: [
        {
          'kubeadm.yaml': kubeadm(
            'InitConfiguration',
            'nodeRegistration:\n  taints: [{key: node-role.kubernetes.io/master, effect: NoSchedule}]\n',
          ),
        },
      ],
      good: [
        {
          'kubeadm.yaml': kubeadm(
            'InitConfiguration',
            'nodeRegistration:\n  taints: [{key: node-role.kubernetes.io/control-plane, effect: NoSchedule}]\n',
          ),
        },
      ],
    },
    *check(facts) {
      for (const document of documentsOf(facts, KUBEADM, 'InitConfiguration', 'JoinConfiguration')) {
        const taints = listAt(document.value, ['nodeRegistration', 'taints']);
        const keys = taints.map((taint) => textAt(taint, ['key']));
        const at = keys.indexOf('node-role.kubernetes.io/master');
        if (at !== -1 && !keys.includes('node-role.kubernetes.io/control-plane'))
          yield {
            at: document.span(['nodeRegistration', 'taints', at, 'key']),
            message: 'the only taint is node-role.kubernetes.io/master',
          };
      }
    },
  },
  {
    id: 'kubeadm-version-unsupported',
    severity: 'info',
    title: 'this release of Kubernetes gets no fixes any more',
    why: 'Errors that are found in it stay, also those that let strangers in. Upgrades go one minor release at a time.',
    fix: 'Plan the way to a supported release; kubeadm upgrade plan shows the next step.',
    sources: ['kubernetes.io/releases/version-skew-policy'],
    examples: {
      bad: [{ 'kubeadm.yaml': clusterConfiguration('kubernetesVersion: v1.23.0\n') }],
      good: [{ 'kubeadm.yaml': clusterConfiguration('kubernetesVersion: v1.36.4\n') }],
    },
    *check(facts) {
      for (const document of documentsOf(facts, KUBEADM, 'ClusterConfiguration')) {
        const minor = kubernetesMinor(textAt(document.value, ['kubernetesVersion']) ?? '');
        if (minor !== undefined && minor < SUPPORTED_MINOR)
          yield { at: document.span(['kubernetesVersion']), message: `Kubernetes 1.${minor} is out of support` };
      }
    },
  },
];
