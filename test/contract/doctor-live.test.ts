/** `hale doctor --kubeconfig` of a real kube-apiserver. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { createKubernetesClient } from '../../src/drivers/kubernetes/client.ts';
import { hale } from '../support/hale.ts';
import { type KubernetesCluster, kubernetesProblem, startKubernetes } from '../support/kubernetes.ts';

const problem = kubernetesProblem();
const CONFIG = 'apiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\nclusterName: a\nclusterName: b\n';

describe.skipIf(problem !== undefined)(`a live cluster${problem === undefined ? '' : ` (${problem})`}`, () => {
  let cluster: KubernetesCluster;

  beforeAll(async () => {
    cluster = await startKubernetes();
    await post('/api/v1/namespaces/kube-system/configmaps', {
      metadata: { name: 'kubeadm-config' },
      data: { ClusterConfiguration: CONFIG },
    });
    await post('/api/v1/namespaces/kube-system/configmaps', { metadata: { name: 'of-somebody' }, data: { 'a.yaml': CONFIG } });
    await post('/api/v1/namespaces/kube-system/secrets', { metadata: { name: 'token' }, stringData: { token: 'vErYsEcReT' } });
  }, 180_000);
  afterAll(async () => cluster?.close());

  async function post(path: string, body: object): Promise<unknown> {
    const client = createKubernetesClient({ kubeconfig: cluster.adminConf });
    try {
      const answer = await client.request('POST', path, { body });
      if (answer.status !== 201) throw new Error(`${path}: HTTP ${answer.status}: ${JSON.stringify(answer.body)}`);
      return answer.body;
    } finally {
      client.close();
    }
  }

  /** The administrator's kubeconfig, changed. */
  function variant(name: string, change: (config: { cluster: Record<string, string>; user: Record<string, string> }) => void): string {
    const config = parse(execFileSync('cat', [cluster.adminConf], { encoding: 'utf8' }));
    change({ cluster: config.clusters[0].cluster, user: config.users[0].user });
    const path = join(cluster.dir, name);
    writeFileSync(path, stringify(config), { mode: 0o600 });
    return path;
  }

  const doctor = (kubeconfig: string) => hale(['doctor', '--kubeconfig', kubeconfig, '--json']);

  interface Told {
    findings: { id: string; file: string; line: number; column: number; message: string }[];
    files: number;
  }

  test('is looked at like files; what is none of its configuration is not, and Secrets never', async () => {
    const { code, stdout, stderr } = await doctor(cluster.adminConf);
    expect([code, stderr]).toEqual([1, '']);
    const { findings } = JSON.parse(stdout) as Told;
    const doubled = findings.filter(({ id }) => id === 'yaml-duplicate-key');
    expect(doubled.map(({ file }) => file)).toEqual(['kube-system/ConfigMap/kubeadm-config']);
    expect(findings.filter(({ id }) => id === 'cluster-refused')).toEqual([]);
    expect(stdout).not.toContain('vErYsEcReT');
  });

  test('what its API server refuses is told of, kind by kind', async () => {
    await post('/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'nobody' } });
    const path = '/api/v1/namespaces/default/serviceaccounts/nobody/token';
    const { status } = (await post(path, { spec: { expirationSeconds: 3600 } })) as { status: { token: string } };
    const kubeconfig = variant('nobody.conf', ({ user }) => {
      for (const key of Object.keys(user)) delete user[key];
      user['token'] = status.token;
    });
    const { code, stdout } = await doctor(kubeconfig);
    expect(code).toBe(1);
    const { findings } = JSON.parse(stdout) as Told;
    expect(new Set(findings.map(({ id }) => id))).toEqual(new Set(['cluster-refused']));
    expect(findings.map(({ file }) => file)).toContain('kube-system/ConfigMap');
    expect(findings.map(({ file }) => file)).toContain('Node');
    expect(findings[0]?.message).toContain('HTTP 403');
    expect(stdout).not.toContain(status.token);
  });

  test('one that does not answer is a failure of the world', async () => {
    const kubeconfig = variant('down.conf', (config) => {
      config.cluster['server'] = 'https://127.0.0.1:9';
    });
    expect(await doctor(kubeconfig)).toMatchObject({ code: 3, stdout: '', stderr: expect.stringContaining('kubernetes_unreachable') });
  });
});
