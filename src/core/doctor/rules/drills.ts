import type { Facts } from '../facts.ts';
import { documentsOf, nameOf } from '../look/documents.ts';
import { listAt, mapAt, textAt, type Path, valueAt } from '../read/yaml.ts';
import type { Hit, Rule } from '../rule.ts';

/* Faults that are made on purpose: what they really do, and whether they end. */

const CHAOS = 'chaos-mesh.org/';
const ACTIONS = ['NetworkChaos', 'IOChaos', 'StressChaos', 'TimeChaos', 'DNSChaos', 'HTTPChaos', 'PhysicalMachineChaos', 'KernelChaos'];
const STATIC = /^(?:kube-apiserver|kube-controller-manager|kube-scheduler|etcd)$/;

function* mirrors(facts: Facts): Iterable<Hit> {
  for (const document of documentsOf(facts, CHAOS, 'PodChaos')) {
    if (textAt(document.value, ['spec', 'action']) !== 'pod-kill') continue;
    const selector: Path = ['spec', 'selector', 'labelSelectors'];
    const component = textAt(document.value, [...selector, 'component']) ?? '';
    if (STATIC.test(component))
      yield { at: document.span([...selector, 'component']), message: `pod-kill deletes the mirror of ${component}, and not the process` };
  }
}

function* labelled(facts: Facts): Iterable<Hit> {
  for (const document of facts.documents)
    for (const path of [
      ['metadata', 'labels'],
      ['spec', 'template', 'metadata', 'labels'],
    ])
      if (mapAt(document.value, path)['kube-monkey/enabled'] !== undefined)
        return yield {
          at: document.span([...path, 'kube-monkey/enabled'], 'key'),
          message: `${nameOf(document)} is offered to kube-monkey`,
        };
}

const KILL = (component: string) =>
  `apiVersion: chaos-mesh.org/v1alpha1\nkind: PodChaos\nmetadata: {name: kill}\nspec: {action: pod-kill, mode: one, selector: {namespaces: [kube-system], labelSelectors: {component: ${component}}}}\n`;
const CUT = (more: string) =>
  `apiVersion: chaos-mesh.org/v1alpha1\nkind: NetworkChaos\nmetadata: {name: cut}\nspec: {action: partition, mode: one${more}}\n`;
const APP = (label: string) => `apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: app, labels: {${label}}}\n`;

export const drillRules: readonly Rule[] = [
  {
    id: 'chaos-static-pod',
    severity: 'warning',
    title: 'a drill deletes a static Pod, and kills nothing',
    why: 'The kubelet only puts the object back; the process never stops. The drill passes, and has shown nothing.',
    fix: 'Stop the container through the container runtime, kill the process on the host (PhysicalMachineChaos), or move the manifest away and back.',
    sources: ['kubernetes.io/docs/tasks/configure-pod-container/static-pod'],
    examples: { bad: [{ 'chaos.yaml': KILL('etcd') }], good: [{ 'chaos.yaml': KILL('web') }] },
    check: mirrors,
  },
  {
    id: 'chaos-without-end',
    severity: 'warning',
    title: 'a fault that is made on purpose has no end',
    why: 'It lasts until somebody deletes the object. When the fault itself cuts the way to the API, nobody can.',
    fix: 'Set spec.duration.',
    sources: ['chaos-mesh.org/docs', 'litmus #4243'],
    examples: { bad: [{ 'chaos.yaml': CUT('') }], good: [{ 'chaos.yaml': CUT(', duration: 60s') }] },
    *check(facts) {
      for (const document of documentsOf(facts, CHAOS, ...ACTIONS))
        if (valueAt(document.value, ['spec', 'duration']) === undefined)
          yield { at: document.span(['spec'], 'key'), message: `${document.kind} ${nameOf(document)} has no duration` };
    },
  },
  {
    id: 'chaos-kube-monkey',
    severity: 'info',
    title: 'drills rely on kube-monkey',
    why: 'It has not been maintained since 2023, and leaves kube-system alone, so it says nothing about the control plane.',
    fix: 'Use a tool that is maintained, and drills of the control plane (hale drill).',
    sources: ['github.com/asobti/kube-monkey'],
    examples: { bad: [{ 'app.yaml': APP('kube-monkey/enabled: enabled') }], good: [{ 'app.yaml': APP('app: web') }] },
    check: labelled,
  },
  {
    id: 'webhook-slow',
    severity: 'warning',
    title: 'a webhook may take half a minute for each request',
    why: 'When its Pods are slow or gone, everything that it decides on waits that long, leases and health checks among it, before it fails.',
    fix: 'Set timeoutSeconds to 5 or less.',
    sources: ['kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers, timeouts'],
    examples: {
      bad: [
        {
          'webhook.yaml':
            'apiVersion: admissionregistration.k8s.io/v1\nkind: MutatingWebhookConfiguration\nmetadata: {name: w}\nwebhooks: [{name: w.example.com, timeoutSeconds: 30}]\n',
        },
      ],
      good: [
        {
          'webhook.yaml':
            'apiVersion: admissionregistration.k8s.io/v1\nkind: MutatingWebhookConfiguration\nmetadata: {name: w}\nwebhooks: [{name: w.example.com, timeoutSeconds: 5}]\n',
        },
      ],
    },
    *check(facts) {
      for (const document of documentsOf(
        facts,
        'admissionregistration.k8s.io/',
        'ValidatingWebhookConfiguration',
        'MutatingWebhookConfiguration',
      ))
        for (const [i, webhook] of listAt(document.value, ['webhooks']).entries()) {
          const seconds = Number(textAt(webhook, ['timeoutSeconds']) ?? 10);
          if (seconds > 15) yield { at: document.span(['webhooks', i, 'timeoutSeconds']), message: `timeoutSeconds is ${seconds}` };
        }
    },
  },
];
