import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findProgram } from '../../src/lab/find-program.ts';
import { until } from './hale.ts';
import { freePorts } from './ports.ts';
import { IS_MACHINE_ROOT } from './user.ts';

/** A real sshd on 127.0.0.1 and 127.0.0.2 in a mount namespace of its own, with throw-away keys, in a temporary folder. */
export interface Sshd {
  dir: string;
  pid: number;
  /** As `ssh -o` takes them: its port, the key that it accepts, and an empty list of known hosts. */
  options: string[];
  close(): Promise<void>;
}

/** Why tests with it cannot run here, for the title of a skipped suite; undefined when they can. */
export function sshdProblem(): string | undefined {
  if (!IS_MACHINE_ROOT) return 'skipped: not root';
  return findProgram('sshd') === undefined ? 'skipped: no sshd: apt-get install openssh-server' : undefined;
}

/** `mounts` are commands of a shell that are run in its namespace first. */
export async function startSshd({ dir, mounts = [] }: { dir?: string; mounts?: readonly string[] } = {}): Promise<Sshd> {
  const folder = dir ?? mkdtempSync(join(tmpdir(), 'hale-ssh-'));
  const [port] = (await freePorts(1)) as [number];
  for (const name of ['host', 'client']) execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(folder, name)]);
  copyFileSync(join(folder, 'client.pub'), join(folder, 'authorized_keys'));
  const settings = [
    `Port ${port}`,
    'ListenAddress 127.0.0.1',
    'ListenAddress 127.0.0.2',
    `HostKey ${join(folder, 'host')}`,
    `AuthorizedKeysFile ${join(folder, 'authorized_keys')}`,
    'StrictModes no',
    'UsePAM no',
    'PasswordAuthentication no',
    'PermitRootLogin prohibit-password',
    `PidFile ${join(folder, 'pid')}`,
  ];
  writeFileSync(join(folder, 'sshd_config'), `${settings.join('\n')}\n`);
  const command = [...mounts, 'mount -t tmpfs none /run', 'mkdir /run/sshd', `exec ${findProgram('sshd')} -D -e -f ${folder}/sshd_config`];
  const sshd = spawn('setpriv', ['--pdeathsig', 'KILL', 'unshare', '--mount', 'sh', '-c', command.join(' && ')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const close = async () => {
    await ended(sshd);
    rmSync(folder, { recursive: true, force: true });
  };
  let said = '';
  sshd.stderr?.setEncoding('utf8').on('data', (text: string) => (said += text));
  try {
    await until(
      () => said,
      (text) => text.includes('Server listening on 127.0.0.2'),
      'sshd listens',
    );
  } catch (error) {
    await close();
    throw error;
  }
  const options = [`Port=${port}`, `IdentityFile=${join(folder, 'client')}`, `UserKnownHostsFile=${join(folder, 'known')}`];
  return { dir: folder, pid: sshd.pid as number, options, close };
}

/** SIGKILL, because one that is frozen takes no other. */
async function ended(sshd: ChildProcess): Promise<void> {
  if (sshd.exitCode === null && sshd.signalCode === null && sshd.kill('SIGKILL')) await once(sshd, 'exit');
}
