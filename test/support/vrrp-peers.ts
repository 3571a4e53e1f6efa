/** keepalived and hale's own virtual router as processes in namespaces, and one who watches whose address it is. */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { VrrpCounters, VrrpEvent } from '../../src/engine/vrrp.ts';
import type { TestHost } from './netns.ts';
import type { RouterSettings } from './vrrp-router.ts';

/** Why keepalived cannot be run here; undefined when it can. */
export function programProblem(...programs: readonly string[]): string | undefined {
  const missing = programs.filter((program) => spawnSync(program, ['--version'], { stdio: 'ignore' }).error !== undefined);
  return missing.length === 0 ? undefined : `${missing.join(', ')} not installed`;
}

function inNamespaceOf(host: TestHost, argv: readonly string[]): string[] {
  return ['--pdeathsig', 'KILL', 'ip', 'netns', 'exec', host.namespace, ...argv];
}

export class Keepalived {
  readonly host: TestHost;
  readonly #folder = mkdtempSync(join(tmpdir(), 'hale-keepalived-'));
  readonly #logs: string[] = [];
  #child: ChildProcess | undefined;

  constructor(host: TestHost) {
    this.host = host;
  }

  /** All that it printed, of each run. */
  get log(): string {
    return this.#logs.join('');
  }

  /** Lines that find fault with what it heard. */
  get complaints(): string[] {
    const fault = /bogus|invalid|checksum|mismatch|not present|associated|malformed|wrong|expected|ttl|auth|error|unable|fail/i;
    return this.log.split('\n').filter((line) => fault.test(line));
  }

  /** `config` without its global part. */
  start(config: string): void {
    const path = join(this.#folder, 'keepalived.conf');
    writeFileSync(path, `global_defs {\n  router_id peer\n  max_auto_priority 0\n}\n${config}`);
    const files = ['-p', 'pid', '-r', 'vrrp.pid'].map((part) => (part.startsWith('-') ? part : join(this.#folder, part)));
    const argv = inNamespaceOf(this.host, ['keepalived', '--dont-fork', '--log-console', '--log-detail', '--vrrp', '-f', path, ...files]);
    this.#child = spawn('setpriv', argv, { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.#child.stdout, this.#child.stderr]) stream?.on('data', (text) => void this.#logs.push(String(text)));
  }

  /** Resigns. */
  async stop(): Promise<void> {
    if (this.#child?.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGTERM');
    await ended;
  }

  /** Without a word, and its address stays. Its own child first, which else would be told to resign. */
  async kill(): Promise<void> {
    const ended = once(this.#child as ChildProcess, 'exit');
    this.#child?.kill('SIGSTOP');
    process.kill(Number(readFileSync(join(this.#folder, 'vrrp.pid'), 'utf8')), 'SIGKILL');
    this.#child?.kill('SIGKILL');
    await ended;
    // Or the next one would take what is left of this for a living one.
    for (const file of ['pid', 'vrrp.pid']) rmSync(join(this.#folder, file), { force: true });
  }

  async close(): Promise<void> {
    await this.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

type RouterLine = VrrpEvent | { kind: 'ready' } | ({ kind: 'counters' } & VrrpCounters);

export class HaleRouter {
  readonly events: RouterLine[] = [];
  readonly #child: ChildProcess;

  constructor(host: TestHost, settings: RouterSettings) {
    const script = join(import.meta.dirname, 'vrrp-router.ts');
    const argv = inNamespaceOf(host, [process.execPath, script, JSON.stringify(settings)]);
    this.#child = spawn('setpriv', argv, { stdio: ['pipe', 'pipe', 'inherit'] });
    createInterface({ input: this.#child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      this.events.push(JSON.parse(line) as RouterLine);
    });
  }

  /** The last event that is no warning, in words. */
  get state(): string | undefined {
    const event = this.events.findLast(({ kind }) => kind !== 'warned' && kind !== 'counters');
    return event && ('reason' in event ? `${event.kind} ${event.reason}` : event.kind);
  }

  get warnings(): VrrpEvent[] {
    return this.events.flatMap((event) => (event.kind === 'warned' ? [event] : []));
  }

  say(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  async shutdown(): Promise<void> {
    if (!this.#runs) return;
    const ended = once(this.#child, 'exit');
    this.say('shutdown');
    await ended;
  }

  /** Without a word, and its address stays. */
  async kill(): Promise<void> {
    if (!this.#runs) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }

  freeze(): void {
    this.#child.kill('SIGSTOP');
  }

  thaw(): void {
    this.#child.kill('SIGCONT');
  }

  get #runs(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }
}

/** What the host's interface carries. */
export function hasAddress(host: TestHost, address: string): boolean {
  return execFileSync('ip', ['-n', host.namespace, '-o', 'address', 'show', 'dev', 'eth0'], { encoding: 'utf8' }).includes(` ${address}/`);
}

export interface Capture {
  /** Ends it; one line for each packet that the filter of tshark lets through, its fields parted by tabs. */
  read(filter: string, fields: readonly string[]): Promise<string[]>;
  close(): void;
}

/** Records VRRP, and ICMP that refuses it, as they pass the host's interface. */
export async function capture(host: TestHost): Promise<Capture> {
  const folder = mkdtempSync(join(tmpdir(), 'hale-capture-'));
  const file = join(folder, 'vrrp.pcap');
  const argv = inNamespaceOf(host, ['tcpdump', '-U', '-Z', 'root', '-i', 'eth0', '-w', file, 'proto 112 or ip6 proto 112 or icmp']);
  const child = spawn('setpriv', argv, { stdio: ['ignore', 'ignore', 'pipe'] });
  await once(child.stderr as NodeJS.ReadableStream, 'data');
  return {
    async read(filter, fields) {
      if (child.exitCode === null && child.signalCode === null) {
        const ended = once(child, 'exit');
        child.kill('SIGINT');
        await ended;
      }
      const chosen = fields.flatMap((field) => ['-e', field]);
      const text = execFileSync('tshark', ['-r', file, '-Y', filter, '-T', 'fields', ...chosen], { encoding: 'utf8', stdio: 'pipe' });
      return text.split('\n').filter((line) => line !== '');
    },
    close() {
      child.kill('SIGKILL');
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
