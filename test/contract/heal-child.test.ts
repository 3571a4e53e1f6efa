/** The controller beside an agent: it ends with the agent, whatever that dies of, and is started again when it dies itself. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, test } from 'vitest';
import { createAuthority } from '../../src/drivers/pki/authority.ts';
import { kubeconfigText } from '../../src/core/pki/kubeconfig.ts';
import { packageFolder } from '../../src/drivers/program.ts';
import { until } from '../support/hale.ts';
import { enterOwnNetwork, netnsProblem } from '../support/netns.ts';

const PARENT = `
const { HealChild } = await import(${JSON.stringify(join(packageFolder, 'src/agent/heal/child.ts'))});
const { boottime } = await import(${JSON.stringify(join(packageFolder, 'src/drivers/linux/boottime.ts'))});
const nothing = () => undefined;
const child = new HealChild({ clock: boottime, log: { debug: nothing, info: nothing, warn: nothing, error: nothing }, file: process.argv[1], logLevel: 'error' });
process.on('SIGTERM', () => child.stop().then(() => process.exit(0)));
setInterval(nothing, 1000);`;

const cleanUp: (() => void)[] = [];
afterEach(() => {
  for (const clean of cleanUp.splice(0)) clean();
});

/** Numbers of the processes that run this controller. */
function controllersOf(file: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const argv = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
        return argv.includes('heal') && argv.includes(file) && !argv.includes('-e') ? [Number(pid)] : [];
      } catch {
        return [];
      }
    });
}

async function startParent() {
  const dir = mkdtempSync(join(tmpdir(), 'hale-heal-child-'));
  const file = join(dir, 'cluster.yaml');
  const kubeconfig = join(dir, 'admin.conf');
  // Nobody listens there: the controller stands for election for ever.
  const authority = await createAuthority({ commonName: 'kubernetes', validityDays: 1 });
  const client = await authority.issue({ commonName: 'admin', dnsNames: [], ipAddresses: [], usages: ['client'], validityDays: 1 });
  const facts = { clusterName: 'a', server: 'https://127.0.0.1:1', user: 'admin', caPem: authority.certPem, ...client };
  writeFileSync(
    kubeconfig,
    kubeconfigText(facts, (text) => Buffer.from(text).toString('base64')),
    { mode: 0o600 },
  );
  const described = {
    apiVersion: 'hale.dev/v1alpha1',
    kind: 'Cluster',
    name: 'a',
    endpoint: { address: '10.99.0.100' },
    controlPlane: { hosts: [{ name: 'cp1', address: '10.99.0.1/24' }] },
    kubernetes: { kubeconfig },
  };
  writeFileSync(file, JSON.stringify(described));
  const parent = spawn(process.execPath, ['--input-type=module', '-e', PARENT, file], { stdio: 'ignore' });
  cleanUp.push(() => {
    parent.kill('SIGKILL');
    // It is there still when the test has failed.
    for (const left of controllersOf(file)) process.kill(left, 'SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  });
  const [pid] = await until(
    () => controllersOf(file),
    (pids) => pids.length === 1,
    'the controller runs',
  );
  return { file, parent, pid: pid as number };
}

const problem = netnsProblem();

describe.skipIf(problem !== undefined)(`the controller of an agent${problem === undefined ? '' : ` (skipped: ${problem})`}`, () => {
  // With the address of the control-plane host, so that nothing leaves this machine.
  let network: ReturnType<typeof enterOwnNetwork>;
  beforeAll(() => void (network = enterOwnNetwork(['10.99.0.1/24'])));
  afterAll(() => network.leave());

  test('it ends when the agent is killed', async () => {
    const { file, parent } = await startParent();
    parent.kill('SIGKILL');
    await until(
      () => controllersOf(file),
      (pids) => pids.length === 0,
      'the controller has ended',
    );
  });

  test('it is started again when it dies, and ends when the agent stops', async () => {
    const { file, parent, pid } = await startParent();
    process.kill(pid, 'SIGKILL');
    await until(
      () => controllersOf(file),
      (pids) => pids.length === 1 && pids[0] !== pid,
      'another one runs',
    );
    parent.kill('SIGTERM');
    await until(
      () => controllersOf(file),
      (pids) => pids.length === 0,
      'the controller has ended',
    );
  });
});
