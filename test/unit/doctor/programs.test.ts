import { describe, expect, test } from 'vitest';
import { gather } from '../../../src/core/doctor/gather.ts';
import type { Program } from '../../../src/core/doctor/read/program.ts';
import type { Span } from '../../../src/core/doctor/text-file.ts';

const programsOf = (path: string, text: string): readonly Program[] => gather([{ file: { path, text }, isNamed: true }]).programs;
const textOf = (span: Span | undefined) => span?.file.text.slice(span.start, span.end);
const flagsOf = (program: Program | undefined) =>
  program?.flags.map(({ name, value }) => (value === undefined ? name : `${name}=${value}`));

describe('containers', () => {
  const pod = (spec: string) => `apiVersion: v1\nkind: Pod\nmetadata: {name: x}\nspec:\n  containers:\n${spec}`;

  test('flags with and without an equals sign, and switches, each with its place', () => {
    const text = pod(
      '  - name: etcd\n    image: registry.k8s.io/etcd:3.6.11-0\n    command: [etcd, --name, cp1, "--data-dir=/var/lib/etcd", --force-new-cluster]\n',
    );
    const [etcd] = programsOf('etcd.yaml', text);
    expect(etcd).toMatchObject({ name: 'etcd', origin: 'pod', complete: true });
    expect(flagsOf(etcd)).toEqual(['name=cp1', 'data-dir=/var/lib/etcd', 'force-new-cluster']);
    expect(etcd?.flags.map(({ span }) => textOf(span))).toEqual(['--name, cp1', '"--data-dir=/var/lib/etcd"', '--force-new-cluster']);
    expect(etcd?.flags.map(({ valueSpan }) => textOf(valueSpan))).toEqual(['cp1', '/var/lib/etcd', undefined]);
    expect([textOf(etcd?.at), textOf(etcd?.image?.span)]).toEqual(['etcd', 'registry.k8s.io/etcd:3.6.11-0']);
  });

  test('a container without a command is what its image says', () => {
    const text = pod(
      '  - name: v\n    image: ghcr.io/kube-vip/kube-vip:v1.2.3\n    args: [manager]\n    env:\n    - {name: vip_arp, value: "true"}\n    - {name: vip_nodename, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}\n',
    );
    const [vip] = programsOf('kube-vip.yaml', text);
    expect(vip).toMatchObject({ name: 'kube-vip', words: [{ text: 'manager' }] });
    expect(vip?.env.map(({ name, value }) => [name, value])).toEqual([
      ['vip_arp', 'true'],
      ['vip_nodename', undefined],
    ]);
    expect(textOf(vip?.env[0]?.valueSpan)).toBe('"true"');
  });

  test('a command line inside sh -c, on several lines', () => {
    const text = pod(
      '  - name: care\n    image: x\n    command: [sh, -c]\n    args:\n    - |\n      set -e\n      exec /usr/bin/lvscare care --vs 10.0.0.100:6443 \\\n        --rs "10.0.0.1:6443"\n',
    );
    const [care] = programsOf('lvscare.yaml', text);
    expect([care?.name, flagsOf(care)]).toEqual(['lvscare', ['vs=10.0.0.100:6443', 'rs=10.0.0.1:6443']]);
    expect(care?.flags.map(({ valueSpan }) => textOf(valueSpan))).toEqual(['10.0.0.100:6443', '"10.0.0.1:6443"']);
  });

  test('a DaemonSet, and a list of objects', () => {
    const template = 'spec: {template: {spec: {containers: [{name: v, image: kube-vip:v1, args: [manager]}]}}}';
    expect(programsOf('ds.yaml', `apiVersion: apps/v1\nkind: DaemonSet\n${template}\n`)).toMatchObject([{ name: 'kube-vip' }]);
    expect(
      programsOf('list.yaml', `apiVersion: v1\nkind: List\nitems:\n- apiVersion: apps/v1\n  kind: DaemonSet\n  ${template}\n`),
    ).toMatchObject([{ name: 'kube-vip' }]);
  });

  test('variables from elsewhere leave the flags of etcd unknown', () => {
    expect(
      programsOf('etcd.yaml', pod('  - {name: etcd, image: etcd:3.5.9, command: [etcd], envFrom: [{configMapRef: {name: etcd}}]}\n'))[0]
        ?.complete,
    ).toBe(false);
  });
});

describe("kubeadm's extraArgs", () => {
  test('as a mapping and as a list', () => {
    const old = 'apiVersion: kubeadm.k8s.io/v1beta3\nkind: ClusterConfiguration\napiServer:\n  extraArgs:\n    goaway-chance: "0.001"\n';
    const now =
      'apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\netcd:\n  local:\n    imageTag: 3.6.11-0\n    extraArgs:\n    - name: quota-backend-bytes\n      value: "1"\n';
    expect(programsOf('a.yaml', old)).toMatchObject([{ name: 'kube-apiserver', origin: 'kubeadm', complete: false }]);
    const [flag] = programsOf('a.yaml', old)[0]?.flags ?? [];
    expect([textOf(flag?.span), textOf(flag?.valueSpan)]).toEqual(['goaway-chance: "0.001"', '"0.001"']);
    expect(programsOf('a.yaml', now)).toMatchObject([{ name: 'etcd', image: { text: 'etcd:3.6.11-0' } }]);
    expect(flagsOf(programsOf('a.yaml', now)[0])).toEqual(['quota-backend-bytes=1']);
  });

  test("of the node's kubelet", () => {
    const text =
      'apiVersion: kubeadm.k8s.io/v1beta4\nkind: JoinConfiguration\nnodeRegistration:\n  kubeletExtraArgs: [{name: node-ip, value: 10.0.0.1}]\n';
    expect(programsOf('join.yaml', text)).toMatchObject([{ name: 'kubelet', flags: [{ name: 'node-ip', value: '10.0.0.1' }] }]);
  });
});

describe('files of flags', () => {
  test("k3s' keys, and the arguments that it hands on", () => {
    const text = 'cluster-init: true\ntls-san: [10.0.0.100, api]\netcd-arg+:\n- quota-backend-bytes=8589934592\n';
    const [k3s, etcd] = programsOf('/etc/rancher/k3s/config.yaml', text);
    expect([k3s?.name, k3s?.complete, flagsOf(k3s)]).toEqual([
      'k3s',
      true,
      ['cluster-init=true', 'tls-san=10.0.0.100', 'tls-san=api', 'etcd-arg=quota-backend-bytes=8589934592'],
    ]);
    expect([etcd?.name, etcd?.origin, flagsOf(etcd), textOf(etcd?.flags[0]?.valueSpan)]).toEqual([
      'etcd',
      'k3s',
      ['quota-backend-bytes=8589934592'],
      '8589934592',
    ]);
  });

  test("etcd's own, with its sections, and without keys that have no value", () => {
    const text =
      'name: cp1\ninitial-cluster: cp1=https://10.0.0.1:2380\nlisten-peer-urls: https://10.0.0.1:2380\ncors:\npeer-transport-security: {cert-file: a, client-cert-auth: true}\n';
    const [etcd] = programsOf('etcd.conf.yml', text);
    expect([etcd?.name, etcd?.origin, etcd?.complete]).toEqual(['etcd', 'flag-file', true]);
    expect(flagsOf(etcd)?.slice(3)).toEqual(['peer-cert-file=a', 'peer-client-cert-auth=true']);
  });
});

describe('units and files of variables', () => {
  test('ExecStart over several lines, and Environment', () => {
    const unit =
      '[Service]\nEnvironment=ETCD_NAME=cp1 "ETCD_DATA_DIR=/var/lib/etcd"\nExecStart=-/usr/bin/etcd \\\n  --heartbeat-interval 100 \\\n  --election-timeout=1000\n';
    const [etcd] = programsOf('etcd.service', unit);
    expect([etcd?.name, etcd?.complete, flagsOf(etcd)]).toEqual([
      'etcd',
      true,
      ['heartbeat-interval=100', 'election-timeout=1000', 'name=cp1', 'data-dir=/var/lib/etcd'],
    ]);
    expect([textOf(etcd?.at), textOf(etcd?.flags[1]?.valueSpan)]).toEqual(['/usr/bin/etcd', '1000']);
  });

  test('a variable that stands for flags leaves them unknown', () => {
    expect(programsOf('kubelet.service', '[Service]\nExecStart=/usr/bin/kubelet $KUBELET_ARGS --v=2\n')[0]).toMatchObject({
      name: 'kubelet',
      complete: false,
    });
    expect(programsOf('etcd.service', '[Service]\nEnvironmentFile=/etc/default/etcd\nExecStart=/usr/bin/etcd\n')[0]?.complete).toBe(false);
  });

  test('/etc/default', () => {
    const [etcd] = programsOf('/etc/default/etcd', 'ETCD_NAME="cp1"\nETCD_INITIAL_CLUSTER=cp1=https://10.0.0.1:2380\n');
    expect([etcd?.name, etcd?.origin, flagsOf(etcd)]).toEqual([
      'etcd',
      'environment',
      ['name=cp1', 'initial-cluster=cp1=https://10.0.0.1:2380'],
    ]);
    expect(flagsOf(programsOf('/etc/default/kubelet', 'KUBELET_EXTRA_ARGS="--node-ip=10.0.0.1 --cgroup-driver=cgroupfs"\n')[0])).toEqual([
      'node-ip=10.0.0.1',
      'cgroup-driver=cgroupfs',
    ]);
  });
});

describe('scripts', () => {
  test('a switch does not take the next word', () => {
    const [join] = programsOf(
      'join.sh',
      '#!/bin/sh\nsudo kubeadm join --control-plane 10.0.0.100:6443 --token "abcdef.0123456789abcdef"\n',
    );
    expect([join?.name, join?.words.map(({ text }) => text), flagsOf(join)]).toEqual([
      'kubeadm',
      ['join', '10.0.0.100:6443'],
      ['control-plane', 'token=abcdef.0123456789abcdef'],
    ]);
  });

  test('a program in a container, and the installer of k3s', () => {
    const run = '#!/bin/sh\ndocker run --network host --rm ghcr.io/kube-vip/kube-vip:v0.4.1 manifest pod --arp --address 10.0.0.100\n';
    const [vip] = programsOf('vip.sh', run);
    expect([vip?.name, vip?.image?.text, flagsOf(vip)]).toEqual([
      'kube-vip',
      'ghcr.io/kube-vip/kube-vip:v0.4.1',
      ['arp', 'address=10.0.0.100'],
    ]);
    const install = '#!/bin/sh\ncurl -sfL https://get.k3s.io | K3S_TOKEN=SECRET sh -s - server --cluster-init --tls-san 10.0.0.100\n';
    const [k3s] = programsOf('install.sh', install);
    expect([k3s?.name, k3s?.env[0]?.value, flagsOf(k3s)]).toEqual(['k3s', 'SECRET', ['cluster-init', 'tls-san=10.0.0.100']]);
  });
});
