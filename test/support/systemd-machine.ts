/** A real systemd as PID 1 of a machine of its own: namespaces, an overlay over this machine's files, an interface. Nothing that is done in it stays. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CommandOptions, type CommandResult, run } from '../../src/lab/command.ts';
import { cgroupProblem, createTestCgroup } from './cgroup.ts';
import { until } from './hale.ts';

export interface SystemdMachine {
  /** Its root directory, seen from outside. */
  root: string;
  /** Runs a program in it; a failing status is a value. */
  run(argv: readonly string[], options?: CommandOptions): Promise<CommandResult>;
  /** What a program in it printed; throws when it fails. */
  output(...argv: string[]): Promise<string>;
  remove(): Promise<void>;
}

const SYSTEMD = '/lib/systemd/systemd';
const UNSHARE = ['unshare', '--mount', '--pid', '--fork', '--kill-child', '--cgroup', '--uts', '--ipc', '--net'];

/** Why there can be none here, for the title of a skipped suite; undefined when there can. */
export function systemdProblem(): string | undefined {
  if (!existsSync(SYSTEMD)) return `no ${SYSTEMD}: apt-get install systemd`;
  const cgroup = cgroupProblem();
  if (cgroup !== undefined) return cgroup;
  const script =
    'mount -t tmpfs t /mnt && mkdir /mnt/u /mnt/w /mnt/r && mount -t overlay o -o lowerdir=/,upperdir=/mnt/u,workdir=/mnt/w /mnt/r';
  const tried = spawnSync('unshare', ['--mount', 'sh', '-c', script], { encoding: 'utf8' });
  return tried.status === 0 ? undefined : `no overlay over this machine's files (${tried.stderr.trim()})`;
}

/** `mounts` are files and folders of this machine and where they are to be in that one; only /opt and /usr/local/bin are empty there. */
export async function startSystemdMachine(mounts: Readonly<Record<string, string>>): Promise<SystemdMachine> {
  const base = mkdtempSync(join(tmpdir(), 'hale-systemd-'));
  const cgroup = createTestCgroup();
  const boot = [join(import.meta.dirname, 'systemd-machine.sh'), base, ...Object.entries(mounts).flat()];
  // In its cgroup before it makes a namespace of that.
  const enter = 'echo $$ > "$0/cgroup.procs" && exec setpriv --pdeathsig KILL "$@"';
  const outside = spawn('sh', ['-c', enter, cgroup.path, ...UNSHARE, 'sh', ...boot], { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [outside.stdout, outside.stderr]) stream.setEncoding('utf8').on('data', (text: string) => (said += text));
  const kill = (): void => void outside.kill('SIGKILL');
  process.on('exit', kill);
  const remove = async (): Promise<void> => {
    kill();
    if (outside.exitCode === null && outside.signalCode === null) await once(outside, 'close');
    process.off('exit', kill);
    cgroup.remove();
    rmdirSync(base);
  };
  try {
    return await booted({ outside, remove });
  } catch (error) {
    await remove();
    throw new Error(`${(error as Error).message}; it said: ${said}`, { cause: error });
  }
}

async function booted({ outside, remove }: { outside: ChildProcess; remove: () => Promise<void> }): Promise<SystemdMachine> {
  const pid = await until(() => childOf(outside), Boolean, 'the machine has a PID 1');
  const enter = ['nsenter', '-t', `${pid}`, '-m', '-u', '-i', '-n', '-p', '-C', '-r', '-w', '--'];
  const machine: SystemdMachine = {
    root: `/proc/${pid}/root`,
    run: (argv, options) => run([...enter, ...argv], options),
    async output(...argv) {
      const { code, stdout, stderr } = await machine.run(argv);
      if (code !== 0) throw new Error(`${argv.join(' ')} ended with ${code}: ${stderr}${stdout}`);
      return stdout;
    },
    remove,
  };
  await until(
    async () => (await machine.run(['systemctl', 'is-active', 'basic.target'])).stdout.trim(),
    (state) => state === 'active',
    'the machine has started',
  );
  return machine;
}

function childOf({ pid }: ChildProcess): string {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
}
