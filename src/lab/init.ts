import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { assert } from '../base/assert.ts';
import { HaleError } from '../base/error.ts';
import { makeHostCgroup } from './cgroup.ts';
import { CLEAN_ENVIRONMENT } from './command.ts';
import { readJson, writeJson } from './folder.ts';
import { endProcess, identify, isAlive, type ProcessIdentity } from './process.ts';

/** Folders of a host that outlive a power cut; each hides the machine's own from the host. */
const PERSISTENT = ['etc/hale', 'etc/kubernetes', 'var/lib/etcd', 'var/lib/hale', 'var/log/kubernetes'] as const;

/** Outlives everything in the host, and collects the children of those who left. PID 1 of a namespace takes signals only from outside. */
const REAP = `exec sh -c 'while :; do sleep 1000000 & wait; done' hale-lab "$1" </dev/null >/dev/null 2>&1`;

/**
 * The whole host folder goes under /run first, because the overlay over /var/lib hides a HALE_LAB_DIR in there.
 * The overlay's upper layer is a tmpfs, which every kernel accepts as one; an overlay or network file system would be refused.
 */
const HOST_INIT = `set -e
read -r go
mount -t proc proc /proc
umount --recursive --lazy /sys/fs/cgroup 2>/dev/null || : # Else the machine's cgroups, though covered, would stand in the host's list of mounts.
mount -t sysfs sysfs /sys 2>/dev/null || : # Refused in some containers; only /sys/class/net is then the machine's.
if [ -n "$OWN_CGROUP" ]; then mount -t cgroup2 hale-lab /sys/fs/cgroup; fi
mount -t bpf hale-lab /sys/fs/bpf 2>/dev/null || : # Pins of this host's own, gone with it; only root may have any.
mount --bind "$1" /run
mount -t tmpfs -o size=64m,mode=0755 hale-lab /run/overlay
for dir in etc var/lib var/log; do
  mkdir -p /run/overlay/upper/$dir /run/overlay/work/$dir
  mount -t overlay -o lowerdir=/$dir,upperdir=/run/overlay/upper/$dir,workdir=/run/overlay/work/$dir hale-lab /$dir
done
for dir in ${PERSISTENT.join(' ')}; do mkdir -p /$dir; mount --bind /run/$dir /$dir; done
mount --bind /run/etc/hosts /etc/hosts
mount --bind /run/run /run
hostname "$2"
for scope in all default; do # Nobody else can have these addresses, and a tentative one cannot be used for a second.
  if [ -d /proc/sys/net/ipv6/conf/$scope ]; then echo 0 >/proc/sys/net/ipv6/conf/$scope/accept_dad; fi
done
ip link set lo up
echo ready
${REAP}`;

const SWITCH_INIT = `set -e
read -r go
mount -t proc proc /proc
ip link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0
ip link set br0 up
echo ready
${REAP}`;

/** Joins the cgroup, when there is one, before the namespace that makes it the root. */
const JOIN = `if [ -n "$1" ] && echo 0 2>/dev/null >"$1"; then own=--cgroup; export OWN_CGROUP=1; else own=; fi
shift
exec unshare $own --pid --net --mount --uts "$@"`;

/** `sh` is the launcher that leaves at once; the first process it forks is PID 1 of the new namespace. */
const LAUNCH = `sh -c "$1" hale-lab-init "$2" "$3" <&3 3<&- &
echo $!`;

export interface Machine {
  name: string;
  folder: string;
  kind: 'host' | 'switch';
}

/** The init process of a machine that is switched on, or undefined. Read anew each time: an undo timer may have booted it. */
export function readInit(machine: Pick<Machine, 'folder'>): ProcessIdentity | undefined {
  const identity = readJson<ProcessIdentity>(join(machine.folder, 'init.json'));
  return identity !== undefined && isAlive(identity) ? identity : undefined;
}

/**
 * Starts namespaces with an init process that outlives this program.
 * The init waits for a word on a pipe until its number is on disk; if this program dies before that, it reads end of file and leaves.
 */
export async function startInit(machine: Machine): Promise<ProcessIdentity> {
  prepareFolder(machine);
  const logPath = join(machine.folder, 'log', 'init.log');
  const log = openSync(logPath, 'w');
  const script = machine.kind === 'host' ? HOST_INIT : SWITCH_INIT;
  const cgroup = machine.kind === 'host' ? makeHostCgroup(machine.folder) : undefined;
  const procs = cgroup === undefined ? '' : join(cgroup, 'cgroup.procs');
  const argv = ['-c', JOIN, 'hale-lab-join', procs, 'sh', '-c', LAUNCH, 'sh', script, machine.folder, machine.name];
  const launcher = spawn('sh', argv, { detached: true, env: CLEAN_ENVIRONMENT, stdio: ['ignore', 'pipe', log, 'pipe'] });
  closeSync(log);
  const { stdout } = launcher;
  // Not standard input: Node closes that when the launcher leaves, which may be before the init has read its word.
  const go = launcher.stdio[3];
  assert(stdout !== null && go instanceof Writable, 'both were asked for as pipes');
  go.on('error', () => undefined);
  let identity: ProcessIdentity | undefined;
  try {
    for await (const line of linesOf(stdout)) {
      if (line === 'ready' && identity !== undefined) return identity;
      identity = identify(Number(line));
      if (identity === undefined) break;
      writeJson(join(machine.folder, 'init.json'), identity);
      go.write('go\n');
    }
  } finally {
    go.destroy();
    stdout.destroy();
  }
  throw new HaleError({
    code: 'lab_host_failed',
    kind: 'world',
    message: `${machine.name} could not be started: ${readFileSync(logPath, 'utf8').split('\n')[0] || 'its init ended'}`,
    remedy: 'run `hale lab up` on a machine where root may make namespaces and overlay mounts',
  });
}

/** Kills a machine; the kernel kills all its processes and takes its namespaces apart. */
export async function endInit(machine: Pick<Machine, 'folder'>): Promise<void> {
  const identity = readJson<ProcessIdentity>(join(machine.folder, 'init.json'));
  if (identity !== undefined) await endProcess(identity, 'process');
}

function prepareFolder(machine: Machine): void {
  mkdirSync(join(machine.folder, 'log'), { recursive: true });
  if (machine.kind === 'switch') return;
  // /run is empty after a boot; sockets and pid files of the life before would only mislead.
  rmSync(join(machine.folder, 'run'), { recursive: true, force: true });
  for (const dir of [...PERSISTENT, 'overlay', 'run']) mkdirSync(join(machine.folder, dir), { recursive: true });
}

async function* linesOf(stream: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of stream) {
    const lines = (rest + chunk.toString()).split('\n');
    rest = lines.pop() as string;
    yield* lines;
  }
}
