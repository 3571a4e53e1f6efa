import { describe, expect, test } from 'vitest';
import { EXTERNAL_ETCD, renderAll, textOf } from '../../support/rendered.ts';

const steps = (keys: Record<string, unknown>) => textOf(renderAll(keys), '_cluster', 'STEPS.md');
const version = (text: string) => ({ kubernetes: { version: text } });

/** Where each comes in the text; -1 for what is not there. */
function places(text: string, words: readonly string[]): number[] {
  return words.map((word) => text.indexOf(word));
}

test.each([
  ['kubeadm', ['tar -C', 'systemd-sysctl', 'kubeadm init --config', 'HASH=$(', 'cp2, then cp3', '- **w1, w2**', 'shred']],
  [
    'k3s',
    ['tar -C', 'systemd-sysctl', 'K3S_SKIP_START', 'enable --now k3s\n', 'cp2, then cp3', 'enable --now k3s-agent', 'Keep the token'],
  ],
  [
    'rke2',
    [
      'tar -C',
      'systemd-sysctl',
      'INSTALL_RKE2_TYPE=server',
      'enable --now rke2-server',
      'at port 9345',
      'enable --now rke2-agent',
      'Keep the token',
    ],
  ],
  ['systemd', ['certificates create', 'tar -C', 'systemd-sysusers', 'enable --now --no-block etcd kube-apiserver', 'clusterrolebinding']],
])('%s: everything, in its order', (distribution, words) => {
  const found = places(steps({ distribution }), words);
  expect(found).not.toContain(-1);
  expect(found).toEqual(found.toSorted((a, b) => a - b));
});

describe.each(['kubeadm', 'k3s', 'rke2', 'systemd'])('%s', (distribution) => {
  test('external etcd: its certificates come first, and no majority is to be waited for', () => {
    const text = steps({ ...EXTERNAL_ETCD, distribution });
    expect(text).toContain('ls -l /etc/kubernetes/pki/etcd/ca.crt /etc/kubernetes/pki/apiserver-etcd-client.crt');
    expect(text).not.toContain('majority');
    expect(steps({ distribution })).not.toContain('apiserver-etcd-client');
  });

  test('nothing secret is in it', () => {
    for (const word of ['abcdef.0123456789abcdef', '0123456789abcdef0123', 'join-token-', 'c2VjcmV0'])
      expect(steps({ distribution })).not.toContain(word);
  });
});

test('kubeadm of older releases is asked for nothing that it does not have', () => {
  expect(steps(version('v1.25.0'))).not.toContain('kubeadm config validate');
  expect(steps(version('v1.28.0'))).not.toContain('super-admin.conf');
  expect(steps(version('v1.29.0'))).toContain('super-admin.conf');
});
