import type { Facts } from '../facts.ts';
import { clusterMinor, documentsOf, KUBEADM } from '../look/documents.ts';
import { flagNamed, flagText, isOff, isOpen, programsNamed, replaceValue, valueAtFlag } from '../look/flags.ts';
import { durationMs, secondsText } from '../look/values.ts';
import { mapAt, textAt } from '../read/yaml.ts';
import type { Hit, Rule } from '../rule.ts';
import type { Span } from '../text-file.ts';
import { clusterConfiguration, kubeadm } from './examples.ts';
import { allCommands, argumentsOf, flagOf } from './shell-model.ts';

/* The kubelet: what it says of its node, and how it ends. */

const kubelets = (facts: Facts) => documentsOf(facts, 'kubelet.config.k8s.io/', 'KubeletConfiguration');
const KUBELET = (lines: string) => `apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n${lines}`;

interface Setting {
  value: string;
  at: Span;
}

/** A setting by its key in KubeletConfiguration, and by its old flag. */
function settings(facts: Facts, { key, flag }: { key: string; flag: string }): Setting[] {
  const ofDocuments = kubelets(facts).flatMap((document) => {
    const value = textAt(document.value, [key]);
    return value === undefined ? [] : [{ value, at: document.span([key]) }];
  });
  const ofFlags = programsNamed(facts, 'kubelet').flatMap((program) => {
    const found = flagNamed(program, flag);
    return found?.value === undefined ? [] : [{ value: found.value, at: valueAtFlag(found) }];
  });
  return [...ofDocuments, ...ofFlags].filter(({ value }) => !isOpen(value));
}

const UPDATE = { key: 'nodeStatusUpdateFrequency', flag: 'node-status-update-frequency' };

/** How long kube-controller-manager waits before a silent node is not ready: 50 s since 1.32 (kubernetes PR 126287). */
function defaultGraceMs(facts: Facts): number {
  const minor = clusterMinor(facts);
  return minor !== undefined && minor < 32 ? 40_000 : 50_000;
}

/** Of updates in the time of grace: the fewest that leave room for one that is lost and one that is late. */
const UPDATES_MIN = 4;

function* seldomUpdates(facts: Facts): Iterable<Hit> {
  const graces = programsNamed(facts, 'kube-controller-manager').flatMap(
    (program) => durationMs(flagText(program, 'node-monitor-grace-period') ?? '') ?? [],
  );
  const graceMs = graces.length > 0 ? Math.min(...graces) : defaultGraceMs(facts);
  for (const { value, at } of settings(facts, UPDATE)) {
    const everyMs = durationMs(value);
    if (everyMs !== undefined && everyMs * UPDATES_MIN > graceMs)
      yield {
        at,
        message: `the kubelet reports every ${secondsText(everyMs)}, but after ${secondsText(graceMs)} of silence its node counts as dead`,
      };
  }
}

/** Flags that are keys of KubeletConfiguration (kubelet --help, "DEPRECATED"). */
const MOVED: Readonly<Record<string, string>> = {
  'cgroup-driver': 'cgroupDriver',
  'cluster-dns': 'clusterDNS',
  'cluster-domain': 'clusterDomain',
  'container-log-max-files': 'containerLogMaxFiles',
  'eviction-hard': 'evictionHard',
  'fail-swap-on': 'failSwapOn',
  'max-pods': 'maxPods',
  'node-status-update-frequency': 'nodeStatusUpdateFrequency',
  'pod-manifest-path': 'staticPodPath',
  'rotate-certificates': 'rotateCertificates',
  'serialize-image-pulls': 'serializeImagePulls',
};

export const kubeletRules: readonly Rule[] = [
  {
    id: 'kubelet-cgroup-driver',
    severity: 'warning',
    title: 'the kubelet manages cgroups itself, beside systemd',
    why: 'Two managers of one tree disagree about who may use what. Nodes become unstable when memory runs short, and the kubelet does not start where the container runtime says systemd.',
    fix: 'Use cgroupDriver: systemd, in the container runtime as well (SystemdCgroup = true), on every host whose init is systemd.',
    sources: ['kubernetes.io/docs/setup/production-environment/container-runtimes'],
    examples: {
      bad: [{ 'kubelet.yaml': KUBELET('cgroupDriver: cgroupfs\n') }],
      good: [{ 'kubelet.yaml': KUBELET('cgroupDriver: systemd\n') }],
    },
    *check(facts) {
      for (const { value, at } of settings(facts, { key: 'cgroupDriver', flag: 'cgroup-driver' }))
        if (value === 'cgroupfs') yield { at, message: 'the cgroup driver is cgroupfs' };
    },
  },
  {
    id: 'kubelet-cgroup-driver-differs',
    severity: 'error',
    title: 'kubelets of one set have different cgroup drivers',
    why: 'A flag beats the file, so a node runs with the other driver than the one that was meant. If its container runtime has another one again, no Pod starts there.',
    fix: 'Write it once, in KubeletConfiguration: cgroupDriver: systemd.',
    sources: ['kubernetes.io/docs/tasks/administer-cluster/kubeadm/configure-cgroup-driver'],
    examples: {
      bad: [{ 'a.yaml': KUBELET('cgroupDriver: systemd\n'), 'b.yaml': KUBELET('cgroupDriver: cgroupfs\n') }],
      good: [{ 'a.yaml': KUBELET('cgroupDriver: systemd\n'), 'b.yaml': KUBELET('cgroupDriver: systemd\n') }],
    },
    *check(facts) {
      const [first, ...others] = settings(facts, { key: 'cgroupDriver', flag: 'cgroup-driver' });
      for (const { value, at } of others)
        if (value !== first?.value) yield { at, message: `the cgroup driver is ${value} here and ${first?.value} elsewhere` };
    },
  },
  {
    id: 'kubelet-status-seldom',
    severity: 'error',
    title: 'the kubelet reports too seldom for the time after which its node counts as dead',
    why: 'One lost or late report is enough for a healthy node to become NotReady. When the API hiccups all of them do, and their Pods are evicted.',
    fix: 'Keep node-monitor-grace-period of kube-controller-manager at four to five times nodeStatusUpdateFrequency; the defaults are 50 s and 10 s.',
    sources: ['kubespray, docs/operations/kubernetes-reliability.md', 'kubernetes PR 126287'],
    examples: {
      bad: [
        { 'kubelet.yaml': KUBELET('nodeStatusUpdateFrequency: 20s\n') },
        {
          'kubelet.yaml': KUBELET('nodeStatusUpdateFrequency: 10s\n'),
          'kubeadm.yaml': clusterConfiguration('controllerManager: {extraArgs: [{name: node-monitor-grace-period, value: 20s}]}\n'),
        },
      ],
      good: [
        { 'kubelet.yaml': KUBELET('nodeStatusUpdateFrequency: 10s\n') },
        {
          'kubelet.yaml': KUBELET('nodeStatusUpdateFrequency: 20s\n'),
          'kubeadm.yaml': clusterConfiguration('controllerManager: {extraArgs: [{name: node-monitor-grace-period, value: 2m}]}\n'),
        },
      ],
    },
    check: seldomUpdates,
  },
  {
    id: 'kubelet-shutdown-off',
    severity: 'info',
    title: 'graceful node shutdown is off',
    why: 'When a node is shut down or rebooted, its Pods are cut off, the API server among them: connections break instead of draining.',
    fix: 'Set shutdownGracePeriod: 60s and shutdownGracePeriodCriticalPods: 20s, and let systemd-logind wait that long (InhibitDelayMaxSec).',
    sources: ['kubernetes.io/docs/concepts/cluster-administration/node-shutdown'],
    examples: {
      bad: [{ 'kubelet.yaml': KUBELET('shutdownGracePeriod: 0s\n') }],
      good: [{ 'kubelet.yaml': KUBELET('shutdownGracePeriod: 60s\nshutdownGracePeriodCriticalPods: 20s\n') }],
    },
    *check(facts) {
      for (const document of kubelets(facts))
        if (durationMs(textAt(document.value, ['shutdownGracePeriod']) ?? '1s') === 0)
          yield { at: document.span(['shutdownGracePeriod']), message: 'shutdownGracePeriod is 0' };
    },
  },
  {
    id: 'kubelet-shutdown-critical',
    severity: 'error',
    title: 'the time for critical Pods at shutdown is not part of the whole',
    why: 'More than the whole, and the kubelet does not start. Nothing, and the API server and etcd are killed at once when all others have had their time.',
    fix: 'Set shutdownGracePeriodCriticalPods to a part of shutdownGracePeriod, such as 20s of 60s.',
    sources: ['kubernetes.io/docs/concepts/cluster-administration/node-shutdown'],
    examples: {
      bad: [
        { 'kubelet.yaml': KUBELET('shutdownGracePeriod: 30s\nshutdownGracePeriodCriticalPods: 60s\n') },
        { 'kubelet.yaml': KUBELET('shutdownGracePeriod: 30s\n') },
      ],
      good: [{ 'kubelet.yaml': KUBELET('shutdownGracePeriod: 60s\nshutdownGracePeriodCriticalPods: 20s\n') }],
    },
    *check(facts) {
      for (const document of kubelets(facts)) {
        const whole = durationMs(textAt(document.value, ['shutdownGracePeriod']) ?? '0') ?? 0;
        const critical = durationMs(textAt(document.value, ['shutdownGracePeriodCriticalPods']) ?? '0') ?? 0;
        if (whole > 0 && (critical === 0 || critical > whole))
          yield {
            at: document.span(['shutdownGracePeriodCriticalPods']),
            message: `critical Pods have ${secondsText(critical)} of a shutdownGracePeriod of ${secondsText(whole)}`,
          };
      }
    },
  },
  {
    id: 'kubelet-rotate-certificates',
    severity: 'warning',
    title: 'the kubelet does not renew its client certificate',
    why: 'It ends a year after the node joined. From then on the kubelet reaches no API server, and the node is NotReady until somebody makes a new one by hand.',
    fix: 'Set rotateCertificates: true.',
    sources: ['kubernetes.io/docs/tasks/tls/certificate-rotation'],
    examples: {
      bad: [{ 'kubelet.yaml': KUBELET('rotateCertificates: false\n') }],
      good: [{ 'kubelet.yaml': KUBELET('rotateCertificates: true\n') }],
    },
    *check(facts) {
      for (const { value, at } of settings(facts, { key: 'rotateCertificates', flag: 'rotate-certificates' }))
        if (isOff({ name: '', value, span: at, valueSpan: at })) yield { at, message: 'rotateCertificates is false' };
    },
  },
  {
    id: 'kubelet-flag-deprecated',
    severity: 'info',
    title: 'a flag of the kubelet that belongs into its file',
    why: 'The flag is deprecated, beats the file without a word, and is not changed when the cluster-wide KubeletConfiguration is.',
    fix: 'Set the key in KubeletConfiguration (with kubeadm as a document of its own, or a patch named kubeletconfiguration), and remove the flag.',
    sources: ['kubernetes.io/docs/reference/command-line-tools-reference/kubelet'],
    examples: {
      bad: [
        {
          'kubeadm.yaml': kubeadm(
            'InitConfiguration',
            'nodeRegistration: {kubeletExtraArgs: [{name: node-status-update-frequency, value: 10s}]}\n',
          ),
        },
      ],
      good: [
        { 'kubeadm.yaml': kubeadm('InitConfiguration', 'nodeRegistration: {kubeletExtraArgs: [{name: node-ip, value: 10.0.0.1}]}\n') },
      ],
    },
    *check(facts) {
      for (const { origin, flags } of programsNamed(facts, 'kubelet')) {
        // k3s and RKE2 have no other way before 1.32.
        if (origin === 'k3s' || origin === 'rke2') continue;
        for (const flag of flags)
          if (Object.hasOwn(MOVED, flag.name))
            yield { at: flag.span, message: `--${flag.name} is deprecated; the key is ${MOVED[flag.name]}` };
      }
    },
  },
  {
    id: 'kubeadm-cri-socket',
    severity: 'warning',
    title: 'the socket of the container runtime is a path without unix://',
    why: 'The form without a scheme is deprecated; kubeadm rewrites it with a warning, and newer versions will refuse it.',
    fix: 'Write unix:// before the path.',
    sources: ['kubernetes.io/docs/reference/config-api/kubeadm-config.v1beta4'],
    examples: {
      bad: [
        { 'join.yaml': kubeadm('JoinConfiguration', 'nodeRegistration: {criSocket: /run/containerd/containerd.sock}\n') },
        { 'init.sh': '#!/bin/sh\nkubeadm init --cri-socket /run/containerd/containerd.sock\n' },
      ],
      good: [
        { 'join.yaml': kubeadm('JoinConfiguration', 'nodeRegistration: {criSocket: unix:///run/containerd/containerd.sock}\n') },
        { 'init.sh': '#!/bin/sh\nkubeadm init --cri-socket unix:///run/containerd/containerd.sock\n' },
      ],
    },
    *check(facts) {
      const path = ['nodeRegistration', 'criSocket'];
      for (const document of documentsOf(facts, KUBEADM, 'InitConfiguration', 'JoinConfiguration')) {
        const socket = textAt(document.value, path) ?? '';
        const at = document.span(path);
        if (socket.startsWith('/') && !socket.includes('dockershim'))
          yield { at, message: `criSocket is ${socket}, without unix://`, edits: [replaceValue(at, `unix://${socket}`)] };
      }
      for (const command of allCommands(facts)) {
        const args = argumentsOf(command, 'kubeadm') ?? [];
        const socket = flagOf(args, 'cri-socket') ?? '';
        const at = args.findLast(({ text }) => text.endsWith(socket))?.span ?? command.span;
        if (socket.startsWith('/') && !socket.includes('dockershim')) yield { at, message: `--cri-socket is ${socket}, without unix://` };
      }
    },
  },
  {
    id: 'kubeadm-dockershim',
    severity: 'error',
    title: 'the container runtime is dockershim, which is gone',
    why: 'The kubelet has no dockershim since Kubernetes 1.24: the node does not come up.',
    fix: 'Use containerd or CRI-O, or cri-dockerd with unix:///run/cri-dockerd.sock.',
    sources: ['kubernetes.io/blog, "Updated: Dockershim Removal FAQ"'],
    examples: {
      bad: [{ 'join.yaml': kubeadm('JoinConfiguration', 'nodeRegistration: {criSocket: /var/run/dockershim.sock}\n') }],
      good: [{ 'join.yaml': kubeadm('JoinConfiguration', 'nodeRegistration: {criSocket: unix:///run/cri-dockerd.sock}\n') }],
    },
    *check(facts) {
      const path = ['nodeRegistration', 'criSocket'];
      const minor = clusterMinor(facts);
      for (const document of documentsOf(facts, KUBEADM, 'InitConfiguration', 'JoinConfiguration'))
        if (textAt(document.value, path)?.includes('dockershim') === true && (minor === undefined || minor >= 24))
          yield { at: document.span(path), message: 'criSocket is that of dockershim' };
    },
  },
  {
    id: 'kubelet-eviction-outside',
    severity: 'warning',
    title: 'a limit of eviction stands outside of evictionHard',
    why: 'The kubelet passes over it with a line in its log: the disk fills up, or memory ends, without any Pod being evicted before.',
    fix: 'Indent it below evictionHard (or evictionSoft).',
    sources: ['kubernetes.io/docs/reference/config-api/kubelet-config.v1beta1, evictionHard'],
    examples: {
      bad: [{ 'kubelet.yaml': KUBELET('evictionHard:\n  memory.available: 100Mi\nnodefs.available: 10%\n') }],
      good: [{ 'kubelet.yaml': KUBELET('evictionHard:\n  memory.available: 100Mi\n  nodefs.available: 10%\n') }],
    },
    *check(facts) {
      for (const document of documentsOf(facts, 'kubelet.config.k8s.io/', 'KubeletConfiguration'))
        for (const name of Object.keys(mapAt(document.value, [])))
          if (/^(?:memory|nodefs|imagefs|containerfs|pid)\.(?:available|inodesFree)$/.test(name))
            yield { at: document.span([name], 'key'), message: `${name} is no field of the kubelet` };
    },
  },
];
