import { backends, hasBalancer } from '../look/addresses.ts';
import { flagNamed, isOff, programsNamed, valueAtFlag } from '../look/flags.ts';
import { textAt } from '../read/yaml.ts';
import type { Rule } from '../rule.ts';
import { API, behindBalancer, TWO_BACKENDS } from './apiserver.ts';
import { clusterConfiguration } from './examples.ts';

/* How load spreads over API servers, and how much each takes. */

export const apiserverLoadRules: readonly Rule[] = [
  {
    id: 'apiserver-goaway-large',
    severity: 'error',
    title: 'goaway-chance is more than the API server takes',
    why: 'It does not start: the value must be from 0 to 0.02.',
    fix: 'Set goaway-chance=0.001.',
    sources: ['kubernetes.io/docs/reference/command-line-tools-reference/kube-apiserver, --goaway-chance'],
    examples: {
      bad: [{ 'kubeadm.yaml': clusterConfiguration('apiServer: {extraArgs: [{name: goaway-chance, value: "0.1"}]}\n') }],
      good: [{ 'kubeadm.yaml': clusterConfiguration('apiServer: {extraArgs: [{name: goaway-chance, value: "0.001"}]}\n') }],
    },
    *check(facts) {
      for (const program of programsNamed(facts, 'kube-apiserver')) {
        const flag = flagNamed(program, 'goaway-chance');
        if (flag !== undefined && Number(flag.value) > 0.02)
          yield { at: valueAtFlag(flag), message: `goaway-chance is ${flag.value}, more than 0.02` };
      }
    },
  },
  {
    id: 'apiserver-goaway-single',
    severity: 'warning',
    title: 'clients are sent away from the only API server',
    why: 'goaway-chance makes clients connect anew so that they spread over several API servers. With one it only costs new connections.',
    fix: 'Remove goaway-chance, or set controlPlaneEndpoint to a balancer in front of several.',
    sources: ['kubernetes.io/docs/reference/command-line-tools-reference/kube-apiserver, --goaway-chance'],
    examples: {
      bad: [{ 'kubeadm.yaml': clusterConfiguration('apiServer: {extraArgs: [{name: goaway-chance, value: "0.001"}]}\n') }],
      good: [
        {
          'kubeadm.yaml': clusterConfiguration(
            'controlPlaneEndpoint: api:6443\napiServer: {extraArgs: [{name: goaway-chance, value: "0.001"}]}\n',
          ),
        },
      ],
    },
    *check(facts) {
      for (const program of programsNamed(facts, 'kube-apiserver')) {
        const flag = flagNamed(program, 'goaway-chance');
        const isSingle = program.origin === 'kubeadm' && textAt(program.document?.value, ['controlPlaneEndpoint']) === undefined;
        if (flag !== undefined && Number(flag.value) > 0 && isSingle && !hasBalancer(facts))
          yield { at: flag.span, message: `goaway-chance is ${flag.value}, without a controlPlaneEndpoint` };
      }
    },
  },
  {
    id: 'apiserver-goaway-missing',
    severity: 'info',
    title: 'connections stay with the API server that they first reached',
    why: 'Clients keep one HTTP/2 connection for everything. After a restart of one API server, all load is on the others and stays there, for days.',
    fix: 'Set goaway-chance=0.001 on every API server behind the balancer.',
    sources: ['kubernetes #48610', 'kubernetes #126378'],
    examples: {
      bad: [{ 'kube-apiserver.yaml': API(), 'haproxy.cfg': TWO_BACKENDS }],
      good: [{ 'kube-apiserver.yaml': API('--goaway-chance=0.001'), 'haproxy.cfg': TWO_BACKENDS }, { 'kube-apiserver.yaml': API() }],
    },
    *check(facts) {
      if (backends(facts).length < 2) return;
      for (const program of behindBalancer(facts))
        if (flagNamed(program, 'goaway-chance') === undefined)
          yield { at: program.at, message: 'the API server has no goaway-chance, behind a balancer' };
    },
  },
  {
    id: 'apiserver-fairness-off',
    severity: 'error',
    title: 'API Priority and Fairness is off',
    why: 'One client that lists in a loop takes all the seats, and kubelets cannot renew their leases: nodes become NotReady from a busy controller.',
    fix: 'Remove enable-priority-and-fairness=false.',
    sources: ['kubernetes.io/docs/concepts/cluster-administration/flow-control'],
    examples: { bad: [{ 'kube-apiserver.yaml': API('--enable-priority-and-fairness=false') }], good: [{ 'kube-apiserver.yaml': API() }] },
    *check(facts) {
      for (const program of programsNamed(facts, 'kube-apiserver')) {
        const flag = flagNamed(program, 'enable-priority-and-fairness');
        if (flag !== undefined && isOff(flag)) yield { at: flag.span, message: 'enable-priority-and-fairness is off' };
      }
    },
  },
  {
    id: 'apiserver-inflight-large',
    severity: 'info',
    title: 'the API server takes far more requests at once than by default',
    why: 'Both numbers together are the seats that API Priority and Fairness shares out. More than processor and memory bear, and the API server dies of the load that it should have refused.',
    fix: 'Raise max-requests-inflight and max-mutating-requests-inflight from 400 and 200 only as far as measured, and watch apiserver_flowcontrol_*.',
    sources: ['kubernetes.io/docs/concepts/cluster-administration/flow-control'],
    examples: {
      bad: [{ 'kube-apiserver.yaml': API('--max-requests-inflight=1500', '--max-mutating-requests-inflight=500') }],
      good: [{ 'kube-apiserver.yaml': API('--max-requests-inflight=800') }],
    },
    *check(facts) {
      for (const program of programsNamed(facts, 'kube-apiserver')) {
        const [reads, writes] = ['max-requests-inflight', 'max-mutating-requests-inflight'].map((name) => flagNamed(program, name));
        const sum = Number(reads?.value ?? 400) + Number(writes?.value ?? 200);
        const at = reads ?? writes;
        if (at !== undefined && sum >= 1500) yield { at: at.span, message: `the API server has ${sum} seats instead of 600` };
      }
    },
  },
];
