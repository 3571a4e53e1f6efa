/** A lab with a real control plane, from nothing, and how long each part of it took. */
import { setTimeout as sleep } from 'node:timers/promises';
import { assert } from '../../src/base/assert.ts';
import { HaleError } from '../../src/base/error.ts';
import type { LabHost } from '../../src/lab/host.ts';
import { kubectlArgv } from '../../src/lab/kubernetes/programs.ts';
import { createLab, type Lab, type LabOptions } from '../../src/lab/lab.ts';

const LEADERS_TIMEOUT_MS = 60_000;
const LOOK_AGAIN_MS = 100;
/** As their names are in kube-system. */
const CONTROLLERS = ['kube-controller-manager', 'kube-scheduler'];

/** Parts of the start, one after the other, in milliseconds. */
export interface StartTimes {
  /** Hosts, switch, keys and certificates. */
  machines: number;
  etcd: number;
  apiservers: number;
  controllers: number;
  /** What keeps the address, until it serves. */
  address: number;
  /** From then until both controllers have a leader. */
  leaders: number;
}

export interface StartedLab {
  lab: Lab;
  holder: LabHost;
  times: StartTimes;
}

/** The steps of `hale lab up`, one by one; `settle` starts what keeps the address and waits until it serves. On failure nothing of the lab is left. */
export async function startLab(options: LabOptions, settle: (lab: Lab) => Promise<LabHost>): Promise<StartedLab> {
  let before = performance.now();
  const lap = (): number => {
    const now = performance.now();
    const passed = now - before;
    before = now;
    return passed;
  };
  const lab = await createLab({ ...options, services: [] });
  try {
    const machines = lap();
    await lab.startEtcd();
    const etcd = lap();
    await lab.startApiservers();
    const apiservers = lap();
    await lab.startControllers();
    const controllers = lap();
    const holder = await settle(lab);
    const address = lap();
    await awaitLeaders(lab);
    return { lab, holder, times: { machines, etcd, apiservers, controllers, address, leaders: lap() } };
  } catch (error) {
    await lab.down();
    throw error;
  }
}

async function awaitLeaders(lab: Lab): Promise<void> {
  const { kubernetes } = lab.plan;
  assert('programs' in kubernetes, 'the control plane is real');
  const access = ['--kubeconfig=/etc/kubernetes/admin.conf', '--request-timeout=5s', '--namespace=kube-system'];
  const ask = [...kubectlArgv(kubernetes), ...access, 'get', 'leases', ...CONTROLLERS, '--output=jsonpath={.items[*].spec.holderIdentity}'];
  const untilMs = performance.now() + LEADERS_TIMEOUT_MS;
  for (;;) {
    const { stdout, stderr } = await lab.client.exec(ask);
    if (stdout.split(' ').filter((holder) => holder !== '').length === CONTROLLERS.length) return;
    if (performance.now() > untilMs) {
      throw new HaleError({
        code: 'bench_no_leaders',
        kind: 'world',
        message: `${CONTROLLERS.join(' and ')} had no leaders after ${LEADERS_TIMEOUT_MS / 1000} s: ${stderr.trim() || `only ${stdout || 'none'}`}`,
      });
    }
    await sleep(LOOK_AGAIN_MS);
  }
}
