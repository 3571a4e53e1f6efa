import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { ProbeResult } from '../../src/core/balancer/health.ts';
import { healthProfiles } from '../../src/core/balancer/timing.ts';
import { HttpsReadiness } from '../../src/drivers/kubernetes/readiness.ts';
import { until } from '../support/hale.ts';
import { type KubernetesCluster, kubernetesProblem, startKubernetes } from '../support/kubernetes.ts';

const problem = kubernetesProblem();
/** As long as the balancer waits for one that is slow: it must be heard of. */
const TIMEOUT_MS = healthProfiles.default.patienceMs;

describe.skipIf(problem !== undefined)(
  `readiness in a real kube-apiserver's own words${problem === undefined ? '' : ` (${problem})`}`,
  () => {
    let cluster: KubernetesCluster;
    let probe: HttpsReadiness;

    beforeAll(async () => {
      cluster = await startKubernetes({ arguments: ['--shutdown-delay-duration=600s'] });
      probe = new HttpsReadiness({ caFile: cluster.caFile });
    }, 180_000);
    afterAll(async () => {
      probe?.close();
      await cluster?.close();
    });
    afterEach(() => cluster.etcd.members[0]?.thaw());

    const ask = (): Promise<ProbeResult> => {
      const [server] = cluster.apiservers;
      return probe.probe({ name: 'cp1', address: server?.address as string, port: server?.port as number }, TIMEOUT_MS);
    };
    const becomes = (outcome: ProbeResult['outcome']): Promise<ProbeResult> => until(ask, (result) => result.outcome === outcome, outcome);

    test('one whose etcd hangs names etcd', async () => {
      expect(await ask()).toEqual({ outcome: 'ready' });
      cluster.etcd.members[0]?.freeze();
      expect(await becomes('not-ready')).toEqual({ outcome: 'not-ready', reason: expect.stringMatching(/^failing: (.*, )?etcd(,|$)/) });
      cluster.etcd.members[0]?.thaw();
      await becomes('ready');
    });

    test('one that is told to end says that it is leaving, while it still serves', async () => {
      cluster.apiservers[0]?.terminate();
      expect(await becomes('leaving')).toEqual({ outcome: 'leaving', reason: 'shutting down' });
      expect((await ask()).outcome).toBe('leaving');
    });
  },
);

describe.skipIf(problem !== undefined)(`a kube-apiserver that lets nobody in${problem === undefined ? '' : ` (${problem})`}`, () => {
  test('says so with the way out', async () => {
    const cluster = await startKubernetes({ arguments: ['--anonymous-auth=false'] });
    const probe = new HttpsReadiness({ caFile: cluster.caFile });
    try {
      expect(await probe.probe({ name: 'cp1', address: '10.99.0.1', port: 6443 }, TIMEOUT_MS)).toEqual({
        outcome: 'not-ready',
        reason: expect.stringMatching(/^HTTP 401: .*refuses \/readyz.*--anonymous-auth/),
      });
    } finally {
      probe.close();
      await cluster.close();
    }
  }, 180_000);
});
