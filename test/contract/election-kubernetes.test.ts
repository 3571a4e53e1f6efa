import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { awaitSteady } from '../../src/lab/drill/agents.ts';
import type { LabHost } from '../../src/lab/host.ts';
import { createLab, type Lab } from '../../src/lab/lab.ts';
import { kubectlOn } from '../support/control-plane-lab.ts';
import { until } from '../support/hale.ts';
import { kubernetesProblem } from '../support/kubernetes.ts';
import { labImpossible, statuses } from '../support/lab.ts';

const problem = labImpossible ?? kubernetesProblem();
const STEADY = { timeoutMs: 60_000 };
const RENEW_DEADLINE_SECONDS = 3;

describe.skipIf(problem !== undefined)(`election: kubernetes ${problem ?? ''}`, () => {
  let lab: Lab;
  beforeAll(async () => {
    const lease = { durationSeconds: 5, renewDeadlineSeconds: RENEW_DEADLINE_SECONDS, retryPeriodSeconds: 1 };
    lab = await createLab({ name: `lease-${process.pid}`, settings: { election: 'kubernetes', lease } });
    await awaitSteady(lab, STEADY);
  }, 180_000);
  afterAll(() => lab?.down(), 60_000);

  async function readLease(host: LabHost): Promise<{ holderIdentity?: string; leaseDurationSeconds?: number; renewTime?: string }> {
    const server = `--server=https://${host.addresses[0]}:6443`;
    const { stdout } = await kubectlOn(host, lab, server, '--namespace=kube-system', 'get', 'lease', 'hale', '-o', 'json');
    return (JSON.parse(stdout) as { spec: object }).spec;
  }

  test('the owner of the Lease holds, and goes on when the API server of its own host is gone', async () => {
    const holder = await awaitSteady(lab, STEADY);
    expect(await readLease(holder)).toMatchObject({ holderIdentity: holder.name, leaseDurationSeconds: 5 });
    holder.signal('apiserver', 'STOP');
    await until(
      () => statuses(lab),
      (all) => all.some((status) => status?.backends.some((backend) => backend.name === holder.name && backend.state !== 'ready')),
      'its API server is not ready',
    );
    await new Promise((resolve) => setTimeout(resolve, 2 * RENEW_DEADLINE_SECONDS * 1000));
    const all = await statuses(lab);
    expect(all.find((status) => status?.role === 'holder')).toMatchObject({
      host: holder.name,
      record: { owner: holder.name, owned: true },
    });
    holder.signal('apiserver', 'CONT');
    await awaitSteady(lab, STEADY);
  }, 120_000);
});
