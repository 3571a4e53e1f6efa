/** A real systemd as PID 1 of a machine of its own: namespaces, an overlay over this machine's files, an interface on a LAN. Nothing that is done in it stays. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CommandOptions, type CommandResult, run } from '../../src/lab/command.ts';
import { cgroupProblem, createTestCgroup, type TestCgroup } from './cgroup.ts';
import { until } from './hale.ts';
import { netnsProblem } from './netns.ts';

export interface MachineOptions {
  /** Its host name, and that of its port at the switch. */
  name: string;
  /** Namespace of a switch with the bridge br0 (netns.ts). */
  lan: string;
  /** Of eth0, with prefix lengths. */
  addresses: readonly string[];
  /** Files and folders of this machine and where they are to be in that one; only /opt and /usr/local/bin are empty there. */
  mounts: Readonly<Record<string, string>>;
}

const SYSTEMD = '/lib/systemd/systemd';
const UNSHARE = ['unshare', '--mount', '--pid', '--fork', '--kill-child', '--cgroup', '--uts', '--ipc', '--net'];
const TIED = ['setpriv', '--pdeathsig', 'KILL'];
const script = (name: string): string => join(import.meta.dirname, name);

/** Why there can be none here, for the title of a skipped suite; undefined when there can. */
export function systemdProblem(): string | undefined {
  if (!existsSync(SYSTEMD)) return `no ${SYSTEMD}: apt-get install systemd`;
  const problem = cgroupProblem() ?? netnsProblem();
  if (problem !== undefined) return problem;
  const overlay =
    'mount -t tmpfs t /mnt && mkdir /mnt/u /mnt/w /mnt/r && mount -t overlay o -o lowerdir=/,upperdir=/mnt/u,workdir=/mnt/w /mnt/r';
  const tried = spawnSync('unshare', ['--mount', 'sh', '-c', overlay], { encoding: 'utf8' });
  return tried.status === 0 ? undefined : `no overlay over this machine's files (${tried.stderr.trim()})`;
}

export class SystemdMachine {
  readonly #options: MachineOptions;
  readonly #base = mkdtempSync(join(tmpdir(), 'hale-systemd-'));
  #disk: Watched | undefined;
  #running: { outside: Watched; cgroup: TestCgroup; pid: string } | undefined;

  private constructor(options: MachineOptions) {
    this.#options = options;
  }

  /** Returns when its systemd runs. */
  static async start(options: MachineOptions): Promise<SystemdMachine> {
    const machine = new SystemdMachine(options);
    try {
      await machine.#makeDisk();
      await machine.boot();
      return machine;
    } catch (error) {
      await machine.remove();
      throw error;
    }
  }

  get pid(): string {
    if (this.#running === undefined) throw new Error(`${this.#options.name} is off`);
    return this.#running.pid;
  }

  /** Its root directory, seen from outside. */
  get root(): string {
    return `/proc/${this.pid}/root`;
  }

  /** Runs a program in it; a failing status is a value. */
  run(argv: readonly string[], options?: CommandOptions): Promise<CommandResult> {
    return run(['nsenter', '-t', this.pid, '-m', '-u', '-i', '-n', '-p', '-C', '-r', '-w', '--', ...argv], options);
  }

  /** What a program in it printed; throws when it fails. */
  async output(...argv: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(argv);
    if (code !== 0) throw new Error(`${argv.join(' ')} ended with ${code}: ${stderr}${stdout}`);
    return stdout;
  }

  /** After `ended` or `cutPower`: the same files, everything else anew. */
  async boot(): Promise<void> {
    const { name, lan, addresses } = this.#options;
    // A systemd leaves its cgroup in a state in which no other can begin there.
    const cgroup = createTestCgroup();
    // In its cgroup before it makes a namespace of that.
    const enter = ['sh', '-c', 'echo $$ >"$0/cgroup.procs" && exec "$@"', cgroup.path];
    const inDisk = ['nsenter', '-t', `${this.#disk?.child.pid}`, '-m', '--'];
    const argv = [...enter, ...TIED, ...inDisk, ...UNSHARE, 'sh', script('systemd-boot.sh'), join(this.#base, 'root'), lan, ...addresses];
    const outside = new Watched(argv);
    this.#running = { outside, cgroup, pid: '' };
    try {
      this.#running.pid = await until(() => childOf(outside.child), Boolean, `${name} has a PID 1`);
      const look = async () => (await this.run(['systemctl', 'is-active', 'basic.target'])).stdout.trim();
      await until(look, (state) => state === 'active', `${name} has started`);
    } catch (error) {
      throw new Error(`${(error as Error).message}; it said: ${outside.said}`, { cause: error });
    }
  }

  /** Waits until its systemd has ended, after `systemctl reboot` for example. */
  async ended(): Promise<void> {
    await this.#running?.outside.ended();
    this.#running?.cgroup.remove();
    this.#running = undefined;
  }

  async cutPower(): Promise<void> {
    this.#running?.outside.kill();
    await this.ended();
  }

  async remove(): Promise<void> {
    await this.cutPower();
    this.#disk?.kill();
    await this.#disk?.ended();
    rmdirSync(this.#base);
  }

  async #makeDisk(): Promise<void> {
    const { name, mounts } = this.#options;
    const words = [this.#base, name, ...Object.entries(mounts).flat()];
    const disk = new Watched([...TIED, 'unshare', '--mount', 'sh', script('systemd-disk.sh'), ...words]);
    this.#disk = disk;
    await until(
      () => disk.said,
      (said) => said.includes('made\n'),
      `${name} has its files`,
    );
  }
}

/** A process that ends with this one, and what it says. */
class Watched {
  readonly child: ChildProcess;
  said = '';
  readonly #closed: Promise<unknown>;

  constructor(argv: readonly string[]) {
    this.child = spawn(argv[0] as string, argv.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.child.stdout, this.child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => (this.said += text));
    running.add(this);
    this.#closed = once(this.child, 'close').finally(() => running.delete(this));
  }

  kill(): void {
    this.child.kill('SIGKILL');
  }

  async ended(): Promise<void> {
    await this.#closed;
  }
}

/** Killed before their cgroups are removed, whose listeners came later. */
const running = new Set<Watched>();
process.on('exit', () => {
  for (const one of running) one.kill();
});

function childOf({ pid }: ChildProcess): string {
  return existsSync(`/proc/${pid}`) ? readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim() : '';
}
