import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { netnsProblem, type TestHost } from '../support/netns.ts';
import { singleUserProblem } from '../support/single-user.ts';
import { shared, VrrpStage } from '../support/vrrp-stage.ts';

const PROGRAMS = '/usr/lib/frr';
const problem = netnsProblem() ?? singleUserProblem ?? (existsSync(`${PROGRAMS}/vrrpd`) ? undefined : 'frr not installed');

describe.skipIf(problem)(`FRR's vrrpd${problem ? `: skipped, ${problem}` : ''}`, () => {
  let stage: VrrpStage;
  let frr: Vrrpd | undefined;

  beforeEach(() => {
    stage = new VrrpStage();
  });
  afterEach(async () => {
    await frr?.close();
    await stage?.close();
  });

  test.each([3, 2] as const)('version %i: the address goes from one to the other', async (version) => {
    frr = new Vrrpd(stage.them, version);
    const untilStatus = (status: string) => stage.until(() => expect(frr?.status).toBe(status));
    await untilStatus('Master');
    const lower = stage.startHale({ version, family: 'IPv4' }, 90);
    await stage.untilState(lower, 'became-backup');
    await frr.kill();
    await stage.untilState(lower, 'became-active no-response');
    await lower.shutdown();
    frr.start();
    await untilStatus('Master');
    const higher = stage.startHale({ version, family: 'IPv4' }, 110);
    await stage.untilState(higher, 'became-active preempted');
    await untilStatus('Backup');
    await higher.shutdown();
    await untilStatus('Master');
    expect([...lower.warnings, ...higher.warnings]).toEqual([]);
  });
});

/** With its own folder, on the macvlan that it wants (FRR user guide, VRRP). */
class Vrrpd {
  readonly #folder = mkdtempSync(join(tmpdir(), 'hale-frr-'));
  readonly #host: TestHost;
  readonly #zebra: ChildProcess;
  #vrrpd: ChildProcess | undefined;

  constructor(host: TestHost, version: 2 | 3) {
    this.#host = host;
    const ip = (...parameters: string[]) => execFileSync('ip', ['-n', host.namespace, ...parameters]);
    ip('link', 'add', 'vrrp4-2-7', 'link', 'eth0', 'type', 'macvlan', 'mode', 'bridge');
    ip('link', 'set', 'vrrp4-2-7', 'address', '00:00:5e:00:01:07');
    ip('address', 'add', `${shared.IPv4}/24`, 'dev', 'vrrp4-2-7');
    ip('link', 'set', 'vrrp4-2-7', 'up');
    const lines = [`version ${version}`, 'priority 100', `advertisement-interval ${version === 2 ? 1000 : 200}`, `ip ${shared.IPv4}`];
    writeFileSync(this.#config, `interface eth0\n${lines.map((line) => ` vrrp 7 ${line}\n`).join('')}`);
    execFileSync('chown', ['-R', 'frr:frr', this.#folder]);
    this.#zebra = this.#spawn('zebra');
    this.start();
  }

  start(): void {
    this.#vrrpd = this.#spawn('vrrpd', '-f', this.#config);
  }

  /** Undefined when it does not answer. */
  get status(): string | undefined {
    try {
      const text = execFileSync('vtysh', ['--vty_socket', this.#folder, '-c', 'show vrrp'], { encoding: 'utf8', stdio: 'pipe' });
      return /Status \(v4\) +(\w+)/.exec(text)?.[1];
    } catch {
      return undefined;
    }
  }

  async kill(): Promise<void> {
    await end(this.#vrrpd);
  }

  async close(): Promise<void> {
    await end(this.#vrrpd);
    await end(this.#zebra);
    rmSync(this.#folder, { recursive: true, force: true });
  }

  get #config(): string {
    return join(this.#folder, 'vrrpd.conf');
  }

  #spawn(program: string, ...parameters: string[]): ChildProcess {
    const place = (name: string) => join(this.#folder, name);
    const common = ['-z', place('zserv.api'), '-i', place(`${program}.pid`), '--vty_socket', this.#folder, '-P', '0'];
    const argv = ['ip', 'netns', 'exec', this.#host.namespace, `${PROGRAMS}/${program}`, ...common, ...parameters];
    return spawn('setpriv', ['--pdeathsig', 'KILL', ...argv], { stdio: 'ignore' });
  }
}

async function end(child: ChildProcess | undefined): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}
