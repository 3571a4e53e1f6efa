import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from './command.ts';
import { labFolder, labsFolder } from './folder.ts';
import { readInit } from './init.ts';
import { findProgram } from './find-program.ts';

export type LabCapability = { ok: true; how: 'root' | 'user-namespace' } | { ok: false; reason: string };

/** Debian package of every program a lab needs. */
const PACKAGES: Readonly<Record<string, string>> = {
  ip: 'iproute2',
  nft: 'nftables',
  unshare: 'util-linux',
  nsenter: 'util-linux',
  mount: 'mount',
  hostname: 'hostname',
  etcd: 'etcd-server',
};

/** Everything a lab asks of the kernel, in miniature; the first line that fails names itself. */
const PROBE = `set -e
mount -t proc proc /proc
mount -t tmpfs tmpfs /run
mkdir /run/upper /run/work
mount -t overlay -o lowerdir=/etc,upperdir=/run/upper,workdir=/run/work overlay /etc
ip link add br0 type bridge
ip link add probe0 type veth peer name probe1
nft add table bridge probe`;

/** Whether a lab can run on this machine by this user, found out by trying; when not, why, in one sentence. */
export async function canRunLab(): Promise<LabCapability> {
  if (process.platform !== 'linux') return { ok: false, reason: `The lab needs Linux; this is ${process.platform}.` };
  const missing = Object.keys(PACKAGES).filter((program) => findProgram(program) === undefined);
  if (missing.length > 0) {
    const packages = [...new Set(missing.map((program) => PACKAGES[program]))].join(' ');
    return { ok: false, reason: `The lab needs ${missing.join(', ')}: run \`apt-get install ${packages}\` as root.` };
  }
  const asRoot = process.geteuid?.() === 0;
  const namespaces = ['--pid', '--fork', '--net', '--mount', '--uts'];
  const result = await run(['unshare', ...(asRoot ? [] : ['--user', '--map-root-user']), ...namespaces, 'sh', '-c', PROBE]);
  if (result.code === 0) return { ok: true, how: asRoot ? 'root' : 'user-namespace' };
  const said = result.stderr.trim().split('\n').at(-1) ?? '';
  if (asRoot) return { ok: false, reason: `This machine does not let root make the namespaces, mounts and links of a lab (${said}).` };
  return {
    ok: false,
    reason: `Without root the lab needs user namespaces, and ${restriction() ?? `they are not enough here (${said})`}: run it as root.`,
  };
}

/** The switch that forbids user namespaces on this distribution, when there is one. */
function restriction(): string | undefined {
  const forbids: readonly [string, string][] = [
    ['kernel.apparmor_restrict_unprivileged_userns', '1'],
    ['kernel.unprivileged_userns_clone', '0'],
    ['user.max_user_namespaces', '0'],
  ];
  const found = forbids.find(([name, value]) => readSysctl(name) === value);
  return found && `this machine restricts them (${found[0]}=${found[1]})`;
}

function readSysctl(name: string): string | undefined {
  try {
    return readFileSync(join('/proc/sys', name.replaceAll('.', '/')), 'utf8').trim();
  } catch {
    // A kernel without it does not restrict.
    return undefined;
  }
}

/**
 * Makes sure that this process may work on labs. For an ordinary user it replaces the process by the same command inside
 * a user namespace: the one of `lab` when that runs, else a new one; then it does not return.
 */
export function ensurePrivileges(options: { lab?: string } = {}): void {
  if (process.geteuid?.() === 0) return;
  const owner = options.lab === undefined ? undefined : readInit({ folder: join(labFolder(options.lab), 'switch') });
  const wrapper =
    owner === undefined
      ? ['unshare', '--user', '--map-root-user']
      : ['nsenter', '-t', String(owner.pid), '--user', '--preserve-credentials'];
  const argv = [...wrapper, '--', process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  // Inside, the user is 0 and would be taken for root, whose labs live elsewhere.
  process.execve?.(findProgram(wrapper[0] as string) as string, argv, { ...process.env, HALE_LAB_DIR: labsFolder() });
}
