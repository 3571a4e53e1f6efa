/** Two network namespaces joined by a veth pair, for contract tests of the Linux drivers. Everything in them vanishes with `remove`, or with this process. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readdirSync } from 'node:fs';
import { setns } from '../../src/drivers/linux/libc.ts';

const CLONE_NEWNET = 0x4000_0000;
let made = 0;

export interface TestHost {
  namespace: string;
  address4: string;
  address6: string;
  mac: string;
  /** Runs synchronous code on this thread in the namespace; sockets opened there stay there. */
  inside<T>(work: () => T): T;
  /** Runs a program in the namespace and returns what it printed. */
  run(program: string, ...parameters: string[]): string;
  /** Starts this Node with a script in the namespace; the child's pid is the script's. */
  node(...parameters: string[]): ChildProcess;
}

export interface TestLink {
  host: TestHost;
  peer: TestHost;
  remove(): void;
}

/** Why no namespaces can be made here, for the title of a skipped suite; undefined when they can. */
export function netnsProblem(): string | undefined {
  if (process.platform !== 'linux') return 'network namespaces need Linux';
  const name = nextName('try');
  try {
    execFileSync('ip', ['netns', 'add', name], { stdio: 'pipe' });
    execFileSync('ip', ['netns', 'del', name], { stdio: 'pipe' });
    return undefined;
  } catch (error) {
    return `network namespaces need root or \`unshare -Urnm\` with a tmpfs on /run (${(error as Error).message.trim().split('\n').at(-1)})`;
  }
}

/** Interfaces are called eth0 on both sides, up, with 10.77.0.x/24 and fd77::x/64. */
export function createTestLink(): TestLink {
  const { hosts, remove } = createHosts(['host', 'peer'], ([host, peer]) => {
    execFileSync('ip', ['-n', host as string, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', 'eth0', 'netns', peer as string]);
  });
  return { host: hosts[0] as TestHost, peer: hosts[1] as TestHost, remove };
}

export interface TestLan {
  hosts: TestHost[];
  /** Namespace of the switch, whose bridge is br0. */
  lan: string;
  remove(): void;
}

/** As many hosts as there are roles on one switch, with interfaces as in `createTestLink`. */
export function createTestLan(roles: readonly string[]): TestLan {
  const { hosts, names, remove } = createHosts([...roles, 'switch'], (namespaces) => {
    const lan = namespaces.at(-1) as string;
    execFileSync('ip', ['-n', lan, 'link', 'add', 'br0', 'type', 'bridge', 'stp_state', '0', 'forward_delay', '0', 'mcast_snooping', '0']);
    execFileSync('ip', ['-n', lan, 'link', 'set', 'br0', 'up']);
    for (const [i, host] of namespaces.slice(0, -1).entries()) {
      execFileSync('ip', ['-n', host, 'link', 'add', 'eth0', 'type', 'veth', 'peer', 'name', `port${i}`, 'netns', lan]);
      execFileSync('ip', ['-n', lan, 'link', 'set', `port${i}`, 'master', 'br0', 'up']);
    }
    return namespaces.slice(0, -1);
  });
  return { hosts, lan: names.at(-1) as string, remove };
}

/** `join` connects the namespaces, and returns those that are hosts where not all are. */
function createHosts(
  roles: readonly string[],
  join: (names: string[]) => string[] | void,
): { hosts: TestHost[]; names: string[]; remove(): void } {
  removeOrphans();
  const children = new Set<ChildProcess>();
  const names = roles.map(nextName);
  const remove = (): void => {
    process.off('exit', remove);
    for (const child of children) child.kill('SIGKILL');
    for (const name of names) quietly('ip', 'netns', 'del', name);
  };
  process.on('exit', remove);
  try {
    for (const name of names) execFileSync('ip', ['netns', 'add', name]);
    const joined = join(names) ?? names;
    return { hosts: joined.map((namespace, i) => testHost({ namespace, number: i + 1, children })), names, remove };
  } catch (error) {
    remove();
    throw error;
  }
}

function testHost({ namespace, number, children }: { namespace: string; number: number; children: Set<ChildProcess> }): TestHost {
  const host: TestHost = {
    namespace,
    address4: `10.77.0.${number}`,
    address6: `fd77::${number}`,
    mac: `02:00:00:00:77:0${number}`,
    inside: (work) => inNamespace(namespace, work),
    run: (program, ...parameters) => execFileSync('ip', ['netns', 'exec', namespace, program, ...parameters], { encoding: 'utf8' }),
    node(...parameters) {
      const child = spawn('ip', ['netns', 'exec', namespace, process.execPath, ...parameters], { stdio: ['ignore', 'pipe', 'inherit'] });
      children.add(child);
      return child;
    },
  };
  const ip = (...parameters: string[]) => execFileSync('ip', ['-n', namespace, ...parameters]);
  ip('link', 'set', 'lo', 'up');
  ip('link', 'set', 'eth0', 'address', host.mac, 'up');
  ip('address', 'add', `${host.address4}/24`, 'dev', 'eth0');
  ip('address', 'add', `${host.address6}/64`, 'dev', 'eth0', 'nodad');
  return host;
}

/** Runs synchronous code on this thread in a namespace of `ip netns`. */
export function inNamespace<T>(namespace: string, work: () => T): T {
  const before = openSync('/proc/thread-self/ns/net', 'r');
  const there = openSync(`/run/netns/${namespace}`, 'r');
  try {
    enter(there);
    return work();
  } finally {
    enter(before);
    closeSync(there);
    closeSync(before);
  }
}

function enter(fd: number): void {
  if (setns(fd, CLONE_NEWNET) !== 0) throw new Error('setns failed');
}

/**
 * Moves this thread, and whatever it opens and starts from now on, into a network of its own with nothing but loopback, which also has these addresses.
 * `leave` moves it back; the network ends with the last process in it.
 */
export function enterOwnNetwork(addresses: readonly string[]): { leave(): void } {
  removeOrphans();
  const before = openSync('/proc/thread-self/ns/net', 'r');
  const name = nextName('own');
  execFileSync('ip', ['netns', 'add', name]);
  try {
    execFileSync('ip', ['-n', name, 'link', 'set', 'lo', 'up']);
    for (const address of addresses) execFileSync('ip', ['-n', name, 'address', 'add', address, 'dev', 'lo']);
    const there = openSync(`/run/netns/${name}`, 'r');
    enter(there);
    closeSync(there);
  } finally {
    // The name alone: this thread keeps the network.
    quietly('ip', 'netns', 'del', name);
  }
  return {
    leave() {
      enter(before);
      closeSync(before);
    },
  };
}

/** Namespaces of test processes that were killed before they could clean up. */
function removeOrphans(): void {
  for (const name of existsSync('/run/netns') ? readdirSync('/run/netns') : []) {
    const owner = /^hale-test-(\d+)-/.exec(name)?.[1];
    if (owner !== undefined && !existsSync(`/proc/${owner}`)) quietly('ip', 'netns', 'del', name);
  }
}

function nextName(role: string): string {
  return `hale-test-${process.pid}-${made++}-${role}`;
}

function quietly(program: string, ...parameters: string[]): void {
  try {
    execFileSync(program, parameters, { stdio: 'pipe' });
  } catch {
    // The namespace was never made, or is gone already.
  }
}
