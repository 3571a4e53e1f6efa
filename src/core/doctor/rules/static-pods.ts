import type { Facts } from '../facts.ts';
import { documentsOf, KUBEADM } from '../look/documents.ts';
import { podSpecPath } from '../read/program-pods.ts';
import { listAt, mapAt, type Path, textAt, valueAt, type YamlDocument } from '../read/yaml.ts';
import type { Hit, Rule } from '../rule.ts';
import { replaceValue } from '../look/flags.ts';
import { kubeadm, kubeVip, staticPod } from './examples.ts';

/* Pods of the control plane: what keeps them from starting. */

function* containers(facts: Facts): Iterable<{ document: YamlDocument; path: Path; container: unknown; spec: unknown }> {
  for (const document of facts.documents) {
    const spec = podSpecPath(document);
    if (spec === undefined) continue;
    for (const kind of ['initContainers', 'containers'])
      for (const [i, container] of listAt(document.value, [...spec, kind]).entries())
        yield { document, path: [...spec, kind, i], container, spec: valueAt(document.value, spec) };
  }
}

function* untexted(facts: Facts): Iterable<Hit> {
  for (const { document, path, container } of containers(facts)) {
    for (const [i, variable] of listAt(container, ['env']).entries()) {
      const value = valueAt(variable, ['value']);
      if (typeof value !== 'number' && typeof value !== 'boolean') continue;
      const at = document.span([...path, 'env', i, 'value']);
      const raw = at.file.text.slice(at.start, at.end);
      yield {
        at,
        message: `the variable ${textAt(variable, ['name']) ?? ''} is ${raw}, not text`,
        edits: [{ span: at, text: `"${raw}"` }],
      };
    }
    for (const key of ['command', 'args'])
      for (const [i, word] of listAt(container, [key]).entries())
        if (typeof word === 'number' || typeof word === 'boolean') {
          const at = document.span([...path, key, i]);
          const raw = at.file.text.slice(at.start, at.end);
          yield { at, message: `an argument is ${raw}, not text`, edits: [{ span: at, text: `"${raw}"` }] };
        }
  }
}

function* joined(facts: Facts): Iterable<Hit> {
  for (const { document, path, container } of containers(facts))
    for (const key of ['command', 'args'])
      for (const [i, word] of listAt(container, [key]).entries())
        if (typeof word === 'string' && /^--[a-z][\w-]*[ \t]+[^-\s]\S*$/i.test(word))
          yield { at: document.span([...path, key, i]), message: `${word} is one argument, with a blank inside` };
}

/** Whether the node's API, or the way to it, depends on the Pod. */
const CRITICAL = /(?:^|\/)(?:kube-apiserver|kube-controller-manager|kube-scheduler|etcd|kube-vip|haproxy|keepalived|nginx|lvscare)[:@]/;

const API = (lines: string) =>
  staticPod('kube-apiserver', { image: 'registry.k8s.io/kube-apiserver:v1.36.4', command: ['kube-apiserver'], more: lines });

const BALANCER = (request: string) =>
  staticPod('haproxy', {
    image: 'docker.io/library/haproxy:3.2',
    command: ['haproxy', '-f', '/usr/local/etc/haproxy/haproxy.cfg'],
    more: `    livenessProbe: {httpGet: ${request}}\n`,
  });

export const staticPodRules: readonly Rule[] = [
  {
    id: 'pod-value-not-text',
    severity: 'error',
    title: 'a variable or argument is a number or a boolean, not text',
    why: 'The API server refuses the object, and the kubelet passes over a static pod with only a line in its log: nothing starts.',
    fix: 'Put it in quotes.',
    sources: ['kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1, EnvVar'],
    examples: {
      bad: [{ 'pod.yaml': API('    env:\n    - {name: vip_arp, value: true}\n') }],
      good: [{ 'pod.yaml': API('    env:\n    - {name: vip_arp, value: "true"}\n') }],
    },
    check: untexted,
  },
  {
    id: 'pod-argument-blank',
    severity: 'error',
    title: 'a flag and its value are one argument',
    why: 'There is no shell to part them: the program looks for a flag whose name has a blank in it, and stops.',
    fix: 'Write --flag=value, or two items of the list.',
    sources: ['kubernetes.io/docs/tasks/inject-data-application/define-command-argument-container'],
    examples: {
      bad: [{ 'pod.yaml': staticPod('etcd', { command: ['etcd', '--name cp1'] }) }],
      good: [{ 'pod.yaml': staticPod('etcd', { command: ['etcd', '--name', 'cp1'] }) }],
    },
    check: joined,
  },
  {
    id: 'pod-variable-twice',
    severity: 'warning',
    title: 'a variable is given to a container twice',
    why: 'The last one counts, so the first one is believed to be in force and is not. Some installers append their own after those of the user.',
    fix: 'Keep the one that is meant.',
    sources: ['kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1, EnvVar'],
    examples: {
      bad: [{ 'pod.yaml': API('    env:\n    - {name: vip_leaseduration, value: "15"}\n    - {name: vip_leaseduration, value: "5"}\n') }],
      good: [{ 'pod.yaml': API('    env:\n    - {name: vip_leaseduration, value: "15"}\n    - {name: vip_renewdeadline, value: "10"}\n') }],
    },
    *check(facts) {
      for (const { document, path, container } of containers(facts)) {
        const names = listAt(container, ['env']).map((one) => textAt(one, ['name']));
        for (const [i, name] of names.entries())
          if (name !== undefined && names.indexOf(name) < i)
            yield { at: document.span([...path, 'env', i]), message: `the variable ${name} is given before, and this one counts` };
      }
    },
  },
  {
    id: 'static-pod-pull-always',
    severity: 'info',
    title: 'the way to the API depends on a registry',
    why: 'After a restart the node pulls the image again. When the registry is away, or is only reached through the cluster, its API server or its balancer does not come back.',
    fix: 'Set imagePullPolicy: IfNotPresent, and name a fixed version.',
    sources: ['kubernetes.io/docs/concepts/containers/images'],
    examples: {
      bad: [{ 'pod.yaml': API('    imagePullPolicy: Always\n') }],
      good: [{ 'pod.yaml': API('    imagePullPolicy: IfNotPresent\n') }],
    },
    *check(facts) {
      for (const { document, path, container, spec } of containers(facts)) {
        const isCritical = CRITICAL.test(textAt(container, ['image']) ?? '') && textAt(spec, ['hostNetwork']) === 'true';
        if (!isCritical || textAt(container, ['imagePullPolicy']) !== 'Always') continue;
        const at = document.span([...path, 'imagePullPolicy']);
        yield {
          at,
          message: `imagePullPolicy is Always for ${textAt(container, ['image']) ?? ''}`,
          edits: [replaceValue(at, 'IfNotPresent')],
        };
      }
    },
  },
  {
    id: 'kubeadm-join-manifests',
    severity: 'warning',
    title: 'a static pod stands in the way of kubeadm join',
    why: 'kubeadm join stops in its preflight checks when /etc/kubernetes/manifests is not empty.',
    fix: 'Write the file after the join (kube-vip has no credentials before anyway), or list DirAvailable--etc-kubernetes-manifests in nodeRegistration.ignorePreflightErrors.',
    sources: ['kubeadm join --help, preflight', 'kubespray, roles/kubernetes/control-plane'],
    examples: {
      bad: [
        {
          'etc/kubernetes/manifests/kube-vip.yaml': kubeVip(),
          'join.yaml': kubeadm('JoinConfiguration', 'controlPlane: {certificateKey: x}\n'),
        },
      ],
      good: [
        {
          'etc/kubernetes/manifests/kube-vip.yaml': kubeVip(),
          'join.yaml': kubeadm(
            'JoinConfiguration',
            'controlPlane: {certificateKey: x}\nnodeRegistration: {ignorePreflightErrors: [DirAvailable--etc-kubernetes-manifests]}\n',
          ),
        },
        { 'kube-vip.yaml': kubeVip(), 'join.yaml': kubeadm('JoinConfiguration', 'controlPlane: {certificateKey: x}\n') },
      ],
    },
    *check(facts) {
      const early = documentsOf(facts, 'v1', 'Pod').find(({ file, value }) => {
        const name = textAt(value, ['metadata', 'name']) ?? '';
        return (
          /etc\/kubernetes\/manifests\//.test(file.path) &&
          /^(?:kube-vip|haproxy|keepalived|lvscare|kube-sealos-lvscare|nginx-proxy)/.test(name)
        );
      });
      for (const document of early === undefined ? [] : documentsOf(facts, KUBEADM, 'JoinConfiguration')) {
        const ignored = listAt(document.value, ['nodeRegistration', 'ignorePreflightErrors']).map(String);
        const isAllowed = ignored.some((one) => /^(?:all|DirAvailable--etc-kubernetes-manifests)$/i.test(one));
        if (document.file.host === early?.file.host && !isAllowed)
          yield {
            at: document.span(['nodeRegistration', 'ignorePreflightErrors'], 'key'),
            message: `${early?.file.path} is there before the join, which then refuses`,
          };
      }
    },
  },
  {
    id: 'control-plane-pod-not-ready',
    severity: 'error',
    title: 'a Pod of the control plane is not ready',
    why: 'It may be shown as Running all the same. One more of its kind that fails, and the API or the quorum is gone.',
    fix: 'See why with kubectl describe and crictl logs on its node, before anything else is changed.',
    sources: ['kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle'],
    examples: {
      bad: [{ 'pods.yaml': status('False') }],
      good: [{ 'pods.yaml': status('True') }],
    },
    *check(facts) {
      for (const document of documentsOf(facts, 'v1', 'Pod')) {
        if (
          !/^(?:etcd|kube-apiserver|kube-controller-manager|kube-scheduler)$/.test(
            textAt(document.value, ['metadata', 'labels', 'component']) ?? '',
          )
        )
          continue;
        const i = listAt(document.value, ['status', 'conditions']).findIndex(
          (one) => mapAt(one, [])['type'] === 'Ready' && mapAt(one, [])['status'] !== 'True',
        );
        if (i !== -1)
          yield {
            at: document.span(['status', 'conditions', i]),
            message: `${textAt(document.value, ['metadata', 'name']) ?? ''} is not ready`,
          };
      }
    },
  },
  {
    id: 'balancer-probe-through-api',
    severity: 'warning',
    title: 'a balancer is restarted when the API servers behind it are down',
    why: 'Its liveness probe asks them, through it: while none of them is up, as at the start of a cluster, the kubelet restarts the balancer again and again, which cuts what still stands and helps nobody.',
    fix: 'Probe the balancer itself: a monitor-uri on a port of its own, or tcpSocket.',
    sources: ['kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes', 'HAProxy configuration manual, monitor-uri'],
    examples: {
      bad: [{ 'haproxy.yaml': BALANCER('{host: localhost, path: /healthz, port: 8443, scheme: HTTPS}') }],
      good: [{ 'haproxy.yaml': BALANCER('{host: localhost, path: /healthz, port: 8404}') }],
    },
    *check(facts) {
      for (const { document, path, container } of containers(facts)) {
        const probe = mapAt(container, ['livenessProbe', 'httpGet']);
        const isBalancer = /(?:^|\/)(?:haproxy|nginx|envoy|traefik)[:@]/.test(textAt(container, ['image']) ?? '');
        if (isBalancer && textAt(probe, ['scheme']) === 'HTTPS' && /^\/(?:healthz|livez|readyz)/.test(textAt(probe, ['path']) ?? ''))
          yield {
            at: document.span([...path, 'livenessProbe', 'httpGet', 'path']),
            message: 'the liveness probe asks the API through the balancer',
          };
      }
    },
  },
];

function status(ready: string): string {
  return `apiVersion: v1\nkind: Pod\nmetadata: {name: etcd-cp1, namespace: kube-system, labels: {component: etcd}}\nstatus: {phase: Running, conditions: [{type: Ready, status: "${ready}"}]}\n`;
}
