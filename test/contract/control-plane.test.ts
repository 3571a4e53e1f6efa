import { rmSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createKubernetesClient } from '../../src/drivers/kubernetes/client.ts';
import { type ControlPlaneStatus, readControlPlane } from '../../src/drivers/kubernetes/control-plane.ts';
import { createLeaseLock } from '../../src/drivers/kubernetes/lease-lock.ts';
import { until } from '../support/hale.ts';
import { type KubernetesCluster, kubernetesProblem, startKubernetes } from '../support/kubernetes.ts';

const problem = kubernetesProblem('kube-scheduler');

describe.skipIf(problem !== undefined)(
  `what real API servers say of the control plane${problem === undefined ? '' : ` (${problem})`}`,
  () => {
    let cluster: KubernetesCluster;

    beforeAll(async () => {
      cluster = await startKubernetes({ apiservers: 2, arguments: ['--shutdown-delay-duration=600s'] });
    }, 180_000);
    afterAll(async () => cluster?.close());

    function read(kubeconfig = cluster.adminConf): Promise<ControlPlaneStatus> {
      const targets = cluster.apiservers.map(({ name, address, port }) => ({ name, address, port }));
      return readControlPlane({ targets, kubeconfig, caFile: cluster.caFile });
    }
    /** On a busy machine also a good API server may once be late. */
    const heard = (kubeconfig?: string): Promise<ControlPlaneStatus> =>
      until(
        () => read(kubeconfig),
        ({ apiservers: [first], leadersProblem }) => first?.ready === true && !leadersProblem?.includes('no answer'),
        'the first API server answers',
      );
    const ready = (name: string) => ({ name, ready: true, failing: [], problem: null });
    const nobody = (component: string) => ({ component, holder: null, since: null, renewedMsAgo: null, stale: false, transitions: 0 });

    test('all is well, and nobody leads yet', async () => {
      expect(await heard()).toEqual({
        withoutCredentials: null,
        apiservers: [ready('kube-apiserver-1'), ready('kube-apiserver-2')],
        leaders: [nobody('kube-controller-manager'), nobody('kube-scheduler')],
        leadersProblem: null,
      });
    });

    test('who leads: a real scheduler that renews, and a controller manager that has long not been heard of', async () => {
      cluster.start('kube-scheduler', { name: 'scheduler', arguments: [`--kubeconfig=${cluster.adminConf}`, '--secure-port=0'] });
      const kubernetes = createKubernetesClient({ kubeconfig: cluster.adminConf });
      const lock = createLeaseLock({ kubernetes, namespace: 'kube-system', name: 'kube-controller-manager', timeoutMs: 5000 });
      const longAgo = '2020-01-01T00:00:00.000000Z';
      const record = { holderIdentity: 'cp1_x', leaseDurationSeconds: 15, acquireTime: longAgo, renewTime: longAgo, leaseTransitions: 7 };
      await lock.write(record, undefined);
      lock.close();
      const { leaders } = await until(read, ({ leaders: now }) => now[1]?.holder !== null, 'a scheduler that leads');
      expect(leaders[0]).toMatchObject({
        component: 'kube-controller-manager',
        holder: 'cp1_x',
        since: longAgo,
        stale: true,
        transitions: 7,
      });
      expect(leaders[1]).toMatchObject({ component: 'kube-scheduler', holder: expect.stringContaining('_'), stale: false, transitions: 0 });
    });

    test('without credentials the API servers are asked all the same, and one line says what is missing', async () => {
      const kubeconfig = await cluster.writeKubeconfig({ file: 'gone.conf', commonName: 'x' });
      rmSync(kubeconfig);
      expect(await heard(kubeconfig)).toEqual({
        withoutCredentials: `${kubeconfig} cannot be read: ENOENT`,
        apiservers: [ready('kube-apiserver-1'), ready('kube-apiserver-2')],
        leaders: [],
        leadersProblem: null,
      });
    });

    test('credentials that may not look are told from API servers that do not answer', async () => {
      const kubeconfig = await cluster.writeKubeconfig({ file: 'nobody.conf', commonName: 'nobody' });
      await cluster.apiservers[1]?.kill();
      const { apiservers, leaders, leadersProblem } = await heard(kubeconfig);
      expect(apiservers).toEqual([
        ready('kube-apiserver-1'),
        {
          name: 'kube-apiserver-2',
          ready: null,
          failing: [],
          problem: 'connect ECONNREFUSED 10.99.0.2:6443',
        },
      ]);
      expect(leaders).toEqual([]);
      expect(leadersProblem).toMatch(/^HTTP 403: leases.* User "nobody" cannot get/);
    });

    test('one that hangs is a row, and what the others know is there', async () => {
      cluster.apiservers[1]?.start();
      await cluster.apiservers[1]?.untilReady();
      cluster.apiservers[1]?.freeze();
      try {
        const { apiservers, leaders } = await heard();
        expect(apiservers[0]).toEqual(ready('kube-apiserver-1'));
        expect(apiservers[1]).toMatchObject({
          ready: null,
          failing: [],
          problem: 'no answer within the deadline',
        });
        expect(leaders.map(({ holder }) => holder)).toEqual(['cp1_x', expect.any(String)]);
      } finally {
        cluster.apiservers[1]?.thaw();
      }
    });

    test('failing checks come with the reasons that /readyz withholds', async () => {
      cluster.apiservers[0]?.terminate();
      const { apiservers } = await until(read, ({ apiservers: [first] }) => first?.ready === false, 'the first API server drains');
      expect(apiservers[0]).toEqual({
        name: 'kube-apiserver-1',
        ready: false,
        failing: [{ check: 'shutdown', reason: 'process is shutting down' }],
        problem: null,
      });
    });

    test('with a hanging etcd all name it, as long as they are asked', async () => {
      cluster.etcd.members[0]?.freeze();
      const names = (status: ControlPlaneStatus): string[] => status.apiservers.flatMap(({ failing }) => failing.map(({ check }) => check));
      await until(read, (status) => names(status).filter((name) => name === 'etcd').length === 2, 'both name etcd');
      cluster.etcd.members[0]?.thaw();
    });
  },
);
