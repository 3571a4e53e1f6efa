import { join } from 'node:path';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parse, stringify } from 'yaml';
import { HaleError } from '../../base/error.ts';
import { packageFolder } from '../../drivers/program.ts';
import { all } from '../command.ts';
import { writePlain } from '../folder.ts';
import type { LabHost } from '../host.ts';
import { kubectl } from '../kubernetes/kubectl.ts';
import type { Lab } from '../lab.ts';

/** Of the daemon on each control-plane host. */
const DAEMON = 'heal';
const CONFIG = '/etc/hale/heal.yaml';
const TIMEOUT_MS = 60_000;
const POLL_MS = 250;

/** Starts `hale heal run` on every control-plane host, with this section `heal` in its description, and waits until one is active. */
export async function startControllers(lab: Lab, heal: object): Promise<void> {
  for (const host of lab.controlPlane) {
    const described = parse(readFileSync(join(host.folder, 'etc/hale/cluster.yaml'), 'utf8')) as object;
    writePlain(join(host.folder, CONFIG), { text: stringify({ ...described, heal }), mode: 0o600 });
  }
  await all(lab.controlPlane.map((host) => startController(host)));
  await activeController(lab);
}

/** Harmless where it runs. */
export async function startController(host: LabHost): Promise<void> {
  if (host.isOn() && !host.running(DAEMON)) await host.spawn(DAEMON, [join(packageFolder, 'hale'), 'heal', 'run', '--config', CONFIG]);
}

export async function stopControllers(lab: Lab): Promise<void> {
  await all(lab.controlPlane.map(async (host) => host.isOn() && (await host.kill(DAEMON))));
}

export async function killController(host: LabHost): Promise<void> {
  await host.kill(DAEMON);
}

/** The host whose controller owns the Lease now. HaleError `lab_no_controller` when none does for a minute. */
export async function activeController(lab: Lab): Promise<LabHost> {
  const deadline = performance.now() + TIMEOUT_MS;
  for (;;) {
    const { stdout } = await kubectl(lab, [
      'get',
      'lease',
      'hale-heal',
      '-n',
      'kube-system',
      '--ignore-not-found',
      '-o',
      'jsonpath={.spec.holderIdentity}',
    ]);
    const host = lab.controlPlane.find(({ name }) => stdout.startsWith(`${name}_`));
    if (host?.isOn() && host.running(DAEMON)) return host;
    if (performance.now() > deadline) {
      throw new HaleError({
        code: 'lab_no_controller',
        kind: 'world',
        message: `no controller of lab ${lab.plan.name} became active; see ${join(lab.controlPlane[0]?.folder ?? '', 'log', `${DAEMON}.log`)}`,
      });
    }
    await sleep(POLL_MS);
  }
}
