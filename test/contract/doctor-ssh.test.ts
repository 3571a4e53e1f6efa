/** `hale doctor --ssh` against a real sshd on loopback, with a throw-away key, whose /etc is laid over by the test's. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hale } from '../support/hale.ts';
import { type Sshd, sshdProblem, startSshd } from '../support/sshd.ts';

const problem = sshdProblem();

const KUBELET = 'apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\na: 1\na: 2\n';
const HEX = '0123456789abcdef'.repeat(4);
const TOKEN = `K10${HEX}::server:vErYsEcReT`;

describe.skipIf(problem !== undefined)(`hosts by ssh${problem === undefined ? '' : ` (${problem})`}`, () => {
  let dir: string;
  let sshd: Sshd | undefined;

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'hale-ssh-'));
    const tree: Record<string, string> = {
      'kubernetes/manifests/kubelet.yaml': KUBELET,
      'haproxy/haproxy.cfg': 'frontend api\n  bind *:{{ port }}\n',
      'rancher/k3s/config.yaml': `token: ${TOKEN}\ntoken: ${TOKEN}\ncluster-init: true\n`,
      // Each would be found fault with.
      'rancher/k3s/k3s.yaml': KUBELET,
      'kubernetes/manifests/pki/kubelet.yaml': KUBELET,
      'kubernetes/encryption.yaml': KUBELET,
      'haproxy/token.yaml': KUBELET,
      'keepalived/logo': '\0\0',
    };
    for (const [path, text] of Object.entries(tree)) {
      mkdirSync(join(dir, 'etc', path, '..'), { recursive: true });
      writeFileSync(join(dir, 'etc', path), text);
    }
    sshd = await startSshd({ dir, mounts: [`mount -t overlay -o lowerdir=${dir}/etc:/etc none /etc`] });
  });

  afterAll(async () => {
    await sshd?.close();
    rmSync(dir, { recursive: true, force: true });
  });

  const doctor = (hosts: string, { words = [], format = 'json' }: { words?: string[]; format?: string } = {}) => {
    const options = [...(sshd?.options ?? []), ...words];
    return hale(['doctor', '--ssh', hosts, ...options.flatMap((option) => ['--ssh-option', option]), '--format', format]);
  };
  const KNOWN = { words: ['StrictHostKeyChecking=accept-new'] };

  interface Told {
    findings: { id: string; file: string; message: string }[];
    files: number;
  }

  test('are read in one call each, under their names; one that is not reached is told of', async () => {
    const { code, stdout, stderr } = await doctor(`127.0.0.1,${userInfo().username}@127.0.0.2,127.0.0.3`, KNOWN);
    expect([code, stderr]).toEqual([1, '']);
    const { findings } = JSON.parse(stdout) as Told;
    const found = findings.map(({ id, file }) => `${file} ${id}`);
    for (const host of ['127.0.0.1', '127.0.0.2']) {
      expect(found).toContain(`${host}:/etc/kubernetes/manifests/kubelet.yaml yaml-duplicate-key`);
      expect(found).toContain(`${host}:/etc/haproxy/haproxy.cfg file-template`);
      expect(found).toContain(`${host}:/etc/rancher/k3s/config.yaml yaml-duplicate-key`);
    }
    expect(found).toContain('127.0.0.3:/ host-unreachable');
    expect(findings.find(({ id }) => id === 'host-unreachable')?.message).toContain('refused');
  });

  test('keep their secrets: keys and kubeconfigs are not fetched, tokens reach no output', async () => {
    for (const format of ['text', 'json', 'sarif', 'junit']) {
      const { stdout, stderr } = await doctor('127.0.0.1', { ...KNOWN, format });
      expect(stdout).toContain('k3s/config.yaml');
      for (const secret of ['vErYsEcReT', HEX]) expect(stdout + stderr).not.toContain(secret);
      // SARIF has the rules as well, whose examples name such files.
      const names = format === 'sarif' ? [] : ['k3s.yaml', 'pki', 'encryption.yaml', 'token.yaml'];
      for (const name of names) expect(stdout).not.toContain(name);
    }
  });

  test('that none of them is reached is a failure of the world, with the reason of each', async () => {
    const { code, stdout, stderr } = await doctor('127.0.0.3,no-such-host.invalid', KNOWN);
    expect([code, stdout]).toEqual([3, '']);
    expect(stderr).toContain('127.0.0.3: ');
    expect(stderr).toContain('no-such-host.invalid: ');
  });

  test('a host whose key is not known is not trusted, and nobody is asked', async () => {
    rmSync(join(dir, 'known'), { force: true });
    const { code, stderr } = await doctor('127.0.0.1');
    expect(code).toBe(3);
    expect(stderr).toContain('Host key verification failed');
  });
});
