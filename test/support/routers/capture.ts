/** What passes the interface of a host, by tcpdump, and read by tshark. */
import { singleUserProblem } from '../single-user.ts';
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { parseIp } from '../../../src/base/address.ts';
import type { TestHost } from '../netns.ts';
import { notInstalled } from './router.ts';

const run = promisify(execFile);
const [TCPDUMP, TSHARK] = ['/usr/bin/tcpdump', '/usr/bin/tshark'];

/** Nobody has it; who looks for it writes the last packet of a capture. */
const NOBODY = '10.77.0.253';

/** Why nothing can be captured here; undefined when it can. */
export const captureProblem = singleUserProblem ?? notInstalled(TCPDUMP, TSHARK);

/** False: it ended first. */
function listening(child: ChildProcess): Promise<boolean> {
  return new Promise((resolve) => {
    child.stderr?.on('data', (text: Buffer) => text.includes('listening on') && resolve(true));
    child.once('exit', () => resolve(false));
  });
}

export class Capture {
  readonly #host: TestHost;
  readonly #folder: string;
  readonly #child: ChildProcess;

  private constructor(host: TestHost, { folder, child }: { folder: string; child: ChildProcess }) {
    this.#host = host;
    this.#folder = folder;
    this.#child = child;
  }

  static async start(host: TestHost, filter: string): Promise<Capture> {
    const folder = mkdtempSync(join(tmpdir(), 'hale-test-capture-'));
    const parameters = [
      '-i',
      'eth0',
      '-Z',
      'root',
      '--immediate-mode',
      '-U',
      '-w',
      join(folder, 'pcap'),
      `(${filter}) or arp dst ${NOBODY}`,
    ];
    const argv = ['--pdeathsig', 'KILL', 'ip', 'netns', 'exec', host.namespace, TCPDUMP as string, ...parameters];
    const child = spawn('setpriv', argv, { stdio: ['ignore', 'ignore', 'pipe'] });
    const capture = new Capture(host, { folder, child });
    if (await listening(child)) return capture;
    await capture.remove();
    throw new Error('tcpdump ended before it listened');
  }

  /** When all that has passed until now is in the file. */
  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const last = Buffer.from(parseIp(NOBODY) as Uint8Array);
    this.#host.run('bash', '-c', `echo > /dev/udp/${NOBODY}/9`);
    while (!readFileSync(join(this.#folder, 'pcap')).includes(last)) await sleep(10);
    this.#child.kill('SIGINT');
    await once(this.#child, 'exit');
  }

  /** Lines of these fields, separated by tabs, of the packets that the display filter takes. */
  async fields(filter: string, ...fields: string[]): Promise<string[][]> {
    const text = await this.tshark('-Y', filter, '-T', 'fields', ...fields.flatMap((field) => ['-e', field]));
    return text
      .split('\n')
      .slice(0, -1)
      .map((line) => line.split('\t'));
  }

  async tshark(...parameters: string[]): Promise<string> {
    return (await run(TSHARK as string, ['-n', '-r', join(this.#folder, 'pcap'), ...parameters], { maxBuffer: 100_000_000 })).stdout;
  }

  async remove(): Promise<void> {
    this.#child.kill('SIGKILL');
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
