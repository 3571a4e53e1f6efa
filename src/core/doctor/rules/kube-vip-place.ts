import type { Facts } from '../facts.ts';
import { isOn, programsNamed } from '../look/flags.ts';
import { podSpecPath } from '../read/program-pods.ts';
import { listAt, type Path, textAt } from '../read/yaml.ts';
import type { Hit, Rule } from '../rule.ts';
import { kubeVip, kubeVipDaemonSet } from './examples.ts';
import { kubeVips, settingOf } from './kube-vip.ts';

/* Where kube-vip runs, and by which command. */

const OLD = 'node-role.kubernetes.io/master';
const TERMS: Path = ['affinity', 'nodeAffinity', 'requiredDuringSchedulingIgnoredDuringExecution', 'nodeSelectorTerms'];
const TOLERATED = '  tolerations: [{operator: Exists}]\n';

/** A term is met when all of its expressions are; one of the terms is enough. */
const asksForOld = (term: unknown): boolean =>
  listAt(term, ['matchExpressions']).some((one) => textAt(one, ['key']) === OLD && /^(?:Exists|In)$/.test(textAt(one, ['operator']) ?? ''));

function* oldLabels(facts: Facts): Iterable<Hit> {
  if (programsNamed(facts, 'k3s', 'rke2').length > 0) return;
  for (const { document } of kubeVips(facts)) {
    const spec = document === undefined ? undefined : podSpecPath(document);
    if (document === undefined || spec === undefined || document.kind === 'Pod') continue;
    const selected = textAt(document.value, [...spec, 'nodeSelector', OLD]);
    // k3s and RKE2 still give this label, with the value true; kubeadm gave it an empty one.
    if (selected !== undefined && selected !== 'true')
      yield { at: document.span([...spec, 'nodeSelector', OLD], 'key'), message: `nodeSelector asks for ${OLD}` };
    const terms = listAt(document.value, [...spec, ...TERMS]);
    if (terms.length > 0 && terms.every(asksForOld)) {
      const expressions = listAt(terms[0], ['matchExpressions']);
      const at = expressions.findIndex((one) => textAt(one, ['key']) === OLD);
      yield {
        at: document.span([...spec, ...TERMS, 0, 'matchExpressions', at, 'key']),
        message: `every term of the affinity asks for ${OLD}`,
      };
    }
  }
}

const affinity = (...keys: string[]): string =>
  `  affinity:\n    nodeAffinity:\n      requiredDuringSchedulingIgnoredDuringExecution:\n        nodeSelectorTerms:\n${keys.map((key) => `        - matchExpressions: [{key: ${key}, operator: Exists}]\n`).join('')}`;

export const kubeVipPlaceRules: readonly Rule[] = [
  {
    id: 'kube-vip-master-label',
    severity: 'warning',
    title: 'kube-vip is only for nodes with a label of an old name',
    why: 'Since Kubernetes 1.24 kubeadm gives control-plane nodes node-role.kubernetes.io/control-plane alone: the Pods run nowhere, and nobody has the address.',
    fix: 'Ask for either label, with two terms of a nodeAffinity as kube-vip manifest daemonset --taint writes them.',
    sources: ['kubernetes/enhancements KEP-2067', 'kube-vip.io/docs/installation/daemonset'],
    examples: {
      bad: [
        { 'kube-vip.yaml': kubeVipDaemonSet({ more: `${TOLERATED}  nodeSelector: {${OLD}: ""}\n` }) },
        { 'kube-vip.yaml': kubeVipDaemonSet({ more: TOLERATED + affinity(OLD) }) },
      ],
      good: [
        { 'kube-vip.yaml': kubeVipDaemonSet({ more: TOLERATED + affinity(OLD, 'node-role.kubernetes.io/control-plane') }) },
        { 'kube-vip.yaml': kubeVipDaemonSet({ more: `${TOLERATED}  nodeSelector: {${OLD}: "true"}\n` }) },
      ],
    },
    check: oldLabels,
  },
  {
    id: 'kube-vip-command-start',
    severity: 'warning',
    title: 'kube-vip is started by a command of its first versions',
    why: 'start serves one address without Services, and later versions do not have it: after an update of the image the Pod ends at once.',
    fix: 'Write args: [manager], with cp_enable: "true".',
    sources: ['kube-vip.io/docs/installation/static'],
    examples: { bad: [{ 'kube-vip.yaml': kubeVip().replace('args: [manager]', 'args: [start]') }], good: [{ 'kube-vip.yaml': kubeVip() }] },
    *check(facts) {
      for (const { words } of kubeVips(facts))
        for (const { text, span } of words.slice(0, 1)) if (text === 'start') yield { at: span, message: 'the command is start' };
    },
  },
  {
    id: 'kube-vip-no-kubeconfig',
    severity: 'error',
    title: 'the static Pod of kube-vip has nothing to reach the API with',
    why: 'A static Pod has no service account: without a kubeconfig of the host kube-vip cannot take part in the election, and nobody has the address.',
    fix: 'Mount /etc/kubernetes/admin.conf, for k3s /etc/rancher/k3s/k3s.yaml, to /etc/kubernetes/admin.conf.',
    sources: ['kube-vip.io/docs/installation/static'],
    examples: {
      bad: [{ 'kube-vip.yaml': kubeVip() }],
      good: [
        { 'kube-vip.yaml': kubeVip({ more: '  volumes: [{name: kubeconfig, hostPath: {path: /etc/kubernetes/admin.conf}}]\n' }) },
        { 'kube-vip.yaml': kubeVipDaemonSet() },
      ],
    },
    *check(facts) {
      for (const program of kubeVips(facts)) {
        const { document } = program;
        if (document?.kind !== 'Pod' || !isOn(settingOf(program, 'vip_leaderelection'))) continue;
        if (
          listAt(document.value, ['spec', 'volumes']).length === 0 &&
          textAt(document.value, ['spec', 'serviceAccountName']) === undefined
        )
          yield { at: document.span(['spec', 'containers', 0]), message: 'no file of the host is mounted' };
      }
    },
  },
];
