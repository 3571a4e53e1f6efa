import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type LastWords, STAND_DOWN, type Will } from '../../src/agent/guardian/will.ts';
import { boottime } from '../../src/drivers/linux/boottime.ts';
import { openEndpoint } from '../../src/drivers/linux/endpoint.ts';
import { linkByName, listAddresses } from '../../src/drivers/linux/links.ts';
import { programFile } from '../../src/drivers/program.ts';
import type { GuardedHolderOptions } from '../support/guarded-holder.ts';
import { createTestLink, netnsProblem, type TestLink } from '../support/netns.ts';
import { observe, type Observer } from './linux/observer.ts';

const problem = netnsProblem();
const SHARED4 = '10.77.0.100';
const SHARED6 = 'fd77::100';
/** So long that nothing a test waits for can be the lease's end. */
const LONG_MS = 600_000;
const PORT = 7700;
/**
 * So many that closing them takes the kernel longer than the guardian needs, and fewer than the 1000 segments that may wait for a CPU
 * (net.core.netdev_max_backlog): a FIN that is dropped there is sent again behind the closed gate.
 */
const CLIENTS = 900;
const WORDS = ['first', 'second', 'third'];
const RIGHTLESS = ['setpriv', '--bounding-set', '-net_admin', '--inh-caps', '-net_admin', '--ambient-caps', '-all'];

/** A process of the host that stands for the agent, and what it says. */
interface Holder {
  child: ChildProcess;
  said: string[];
  errors(): string;
  guardianPid(): number;
}

describe.skipIf(problem)(`the guardian${problem ? `: skipped, ${problem}` : ''}`, () => {
  let net: TestLink;
  let observer: Observer;
  let folder: string;
  let lockPath: string;
  let heard: string[];
  let children: ChildProcess[];

  beforeEach(async () => {
    net = createTestLink();
    observer = observe(net.peer);
    folder = mkdtempSync(join(tmpdir(), 'hale-guardian-'));
    lockPath = join(folder, 'lock');
    children = [];
    heard = await listen();
  });
  afterEach(() => {
    for (const child of children) child.kill('SIGKILL');
    for (const pid of guardians()) process.kill(pid, 'SIGKILL');
    observer?.close();
    net?.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Processes with this test's lock among their arguments: a guardian outlives its agent on purpose. */
  const guardians = (): number[] =>
    readdirSync('/proc')
      .map(Number)
      .filter((pid) => pid > 0 && commandLine(pid).split('\0').includes(lockPath));

  /** Every datagram that reaches the peer, in order. */
  async function listen(): Promise<string[]> {
    const script = `require('node:dgram').createSocket('udp4').on('message', (text) => console.log(String(text)))
      .on('listening', () => console.log('listening')).bind(${PORT}, '${net.peer.address4}')`;
    const child = net.peer.node('-e', script);
    children.push(child);
    const lines: string[] = [];
    createInterface(child.stdout as NodeJS.ReadableStream).on('line', (line) => lines.push(line));
    await vi.waitFor(() => expect(lines.splice(0)).toEqual(['listening']), 20_000);
    return lines;
  }

  /** What has been heard until a datagram that is sent now arrives: decided by the order on the wire, and by no clock. */
  async function heardUntilNow(): Promise<string[]> {
    const script = `const s = require('node:dgram').createSocket('udp4'); s.send('witness', ${PORT}, '${net.peer.address4}', () => s.close())`;
    await once(net.host.node('-e', script), 'close');
    await vi.waitFor(() => expect(heard).toContain('witness'), 20_000);
    return heard.slice(0, heard.indexOf('witness'));
  }

  function startHolder(changes: Partial<GuardedHolderOptions> = {}, prefix: string[] = []): Holder {
    const options: GuardedHolderOptions = {
      lockPath,
      addresses: [SHARED4, SHARED6],
      holds: true,
      leaseMs: LONG_MS,
      from: net.host.address4,
      to: net.peer.address4,
      port: PORT,
      lastWords: WORDS,
      ...changes,
    };
    const program = join(import.meta.dirname, '../support/guarded-holder.ts');
    const argv = ['netns', 'exec', net.host.namespace, ...prefix, process.execPath, program, JSON.stringify(options)];
    const child = spawn('ip', argv, { stdio: ['ignore', 'pipe', 'pipe'] });
    children.push(child);
    const said: string[] = [];
    let errors = '';
    createInterface(child.stdout as NodeJS.ReadableStream).on('line', (line) => said.push(line));
    child.stderr?.setEncoding('utf8').on('data', (text: string) => (errors += text));
    return { child, said, errors: () => errors, guardianPid: () => Number(readFileSync(lockPath, 'utf8')) };
  }

  async function guardedHolder(changes: Partial<GuardedHolderOptions> = {}, prefix: string[] = []): Promise<Holder> {
    const holder = startHolder(changes, prefix);
    await vi.waitFor(() => expect(holder.said).toEqual(['guarded']), 20_000);
    return holder;
  }

  const holdHere = () =>
    net.host.inside(() => {
      const neighbors = { announce: () => ({ ok: true as const }) };
      const log = { debug() {}, info() {}, warn() {}, error() {} };
      const addresses = [SHARED4, SHARED6];
      const endpoint = openEndpoint({ link: linkByName('eth0'), addresses, neighbors, clock: boottime, log, graceMs: 1000 });
      expect(endpoint.hold(boottime.now() + LONG_MS)).toEqual({ ok: true });
    });
  const answered = async () => ({
    arp: await observer.isAnswered({ address: SHARED4, witness: net.host.address4 }),
    ndp: await observer.isAnswered({ address: SHARED6, witness: net.host.address6 }),
  });
  const assigned = () => net.host.inside(() => listAddresses()).map((entry) => entry.address);
  const gateElements = () => net.host.run('nft', 'list', 'table', 'netdev', 'hale').match(/elements = /g) ?? [];
  const ended = (pid: number) => vi.waitFor(() => expect(existsSync(`/proc/${pid}`)).toBe(false), 20_000);
  const yes = { arp: true, ndp: true };
  const no = { arp: false, ndp: false };

  test('the agent is killed: its host has stopped answering when the first release arrives', async () => {
    const holder = await guardedHolder();
    expect(await answered()).toEqual(yes);
    holder.child.kill('SIGKILL');
    await vi.waitFor(() => expect(heard).not.toEqual([]), { timeout: 20_000, interval: 1 });
    expect(assigned()).not.toEqual(expect.arrayContaining([SHARED4]));
    expect(assigned()).not.toEqual(expect.arrayContaining([SHARED6]));
    expect(gateElements()).toEqual([]);
    expect(await answered()).toEqual(no);
    await ended(holder.guardianPid());
    expect(await heardUntilNow()).toEqual(WORDS);
    expect(holder.errors()).toContain('the agent is dead: address withdrawn, lease given back');
  });

  test('clients of the dead agent hear of it: connections are closed while the gate is open', async () => {
    const holder = await guardedHolder();
    // Open is what the holder has greeted: were the last segment of a handshake lost, the holder would have nobody to close.
    const script = `let open = 0;
      for (let i = 0; i < ${CLIENTS}; i++) require('node:net').connect(8443, '${SHARED4}').on('data', () => ++open === ${CLIENTS} && console.log('open'))
        .on('error', () => {}).on('close', () => --open === 0 && console.log('closed'))`;
    const client = net.peer.node('-e', script);
    children.push(client);
    const said: string[] = [];
    createInterface(client.stdout as NodeJS.ReadableStream).on('line', (line) => said.push(line));
    await vi.waitFor(() => expect(said).toEqual(['open']), 20_000);
    holder.child.kill('SIGKILL');
    await vi.waitFor(() => expect(said).toEqual(['open', 'closed']), 20_000);
    expect(await answered()).toEqual(no);
  });

  test('the kernel refuses to withdraw: nothing is released, and the guardian says so', async () => {
    holdHere();
    const holder = await guardedHolder({ holds: false, leaseMs: 300 }, RIGHTLESS);
    const guardian = holder.guardianPid();
    holder.child.kill('SIGKILL');
    await ended(guardian);
    expect(await answered()).toEqual(yes);
    expect(await heardUntilNow()).toEqual([]);
    expect(holder.errors()).toMatch(/close the gate: EPERM.*the address cannot be withdrawn: its lease runs out/);
  });

  test('the agent is stopped: its lease ends, nothing is released; once it is killed, everything is', async () => {
    const holder = await guardedHolder({ leaseMs: 400 });
    holder.child.kill('SIGSTOP');
    await vi.waitFor(async () => expect(await answered()).toEqual(no), 20_000);
    expect(await heardUntilNow()).toEqual([]);
    heard.length = 0;
    holder.child.kill('SIGKILL');
    await vi.waitFor(() => expect(heard).toEqual(WORDS), 20_000);
  });

  test('the agent ends in order: the guardian leaves without a word', async () => {
    const holder = await guardedHolder();
    const guardian = holder.guardianPid();
    // A supervisor signals both.
    process.kill(guardian, 'SIGTERM');
    holder.child.kill('SIGTERM');
    await ended(guardian);
    expect(await heardUntilNow()).toEqual([]);
    expect(holder.child.exitCode ?? (await once(holder.child, 'close'))[0]).toBe(0);
  });

  test('a guardian that dies is replaced, and the new one knows the will', async () => {
    const holder = await guardedHolder();
    const first = holder.guardianPid();
    process.kill(first, 'SIGKILL');
    await vi.waitFor(() => expect(holder.said).toEqual(['guarded', 'unguarded', 'guarded']), 20_000);
    expect(holder.guardianPid()).not.toBe(first);
    expect(await answered()).toEqual(yes);
    holder.child.kill('SIGKILL');
    await vi.waitFor(() => expect(heard).toEqual(WORDS), 20_000);
    expect(await answered()).toEqual(no);
  });

  test.each<[string, 'SIGSTOP' | 'SIGCONT', string[]]>([
    ['was stopped', 'SIGSTOP', []],
    ['is refused by the kernel again and again', 'SIGCONT', RIGHTLESS],
  ])('a new run begins only when the guardian of the one before has ended, also one that %s', async (_, signal, prefix) => {
    const before = await guardedHolder({ holds: false, lastWords: ['old run'] }, prefix);
    const guardian = before.guardianPid();
    process.kill(guardian, signal);
    before.child.kill('SIGKILL');
    await once(before.child, 'exit');
    const after = await guardedHolder();
    expect(after.guardianPid()).not.toBe(guardian);
    await ended(guardian);
    expect(await answered()).toEqual(yes);
    expect(await heardUntilNow()).toEqual([]);
  });

  test('the pipe ends and the agent lives: nothing is withdrawn or released', async () => {
    holdHere();
    const main = programFile('agent/guardian/main');
    const guardian = spawn('ip', ['netns', 'exec', net.host.namespace, process.execPath, main, lockPath, 'test'], {
      stdio: ['pipe', 'ignore', 'pipe'],
    });
    children.push(guardian);
    let errors = '';
    guardian.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
    const lastWords: LastWords[] = [{ to: net.peer.address4, datagrams: ['cmVsZWFzZQ=='] }];
    const { index } = net.host.inside(() => linkByName('eth0'));
    const addresses = [SHARED4, SHARED6];
    const common = { linkIndex: index, addresses, gate: 'passing' as const, leaseMs: 100, from: net.host.address4, port: PORT, lastWords };
    const will: Will = { agentPid: process.pid, ...common, resignations: [] };
    guardian.stdin.end(`${JSON.stringify(will)}\n${STAND_DOWN.slice(0, 5)}`);
    await once(guardian, 'close');
    expect(errors).toContain('the pipe has ended and the agent lives: nothing is withdrawn');
    expect(await answered()).toEqual(yes);
    expect(await heardUntilNow()).toEqual([]);
  });
});

/** Empty when the process has ended. */
function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}
