/**
 * The `socket` datapath: TCP connections that processes of this network namespace open to the shared address go straight to an API
 * server, by programs at the root of the cgroups (programs.ts). The kernel keeps them when this process ends: traffic goes on as it was
 * chosen last, and the next process takes over what is there.
 */
import { steeredBackends } from '../../../core/balancer/steer.ts';
import type { DatapathPlan } from '../../../core/balancer/plan.ts';
import type { Explanation } from '../../../ports/datapath.ts';
import { done, type Effect } from '../../../ports/effect.ts';
import type { Log } from '../../../ports/log.ts';
import { createCell, loadProgram } from '../bpf/calls.ts';
import { attachedPrograms, CGROUP_HOOKS, type CgroupHook } from '../bpf/cgroup.ts';
import { openProgram, programInfo } from '../bpf/objects.ts';
import * as libc from '../libc.ts';
import { networkNamespace } from '../network-namespace.ts';
import { openSockDiag, type SockDiag } from '../sock-diag.ts';
import { closeAll, detachAll, findPrograms, type Found, HOOKS, programName, putPrograms } from './attachments.ts';
import { openCgroup } from './cgroup.ts';
import { explainSteering } from './explain.ts';
import { type SocketProgramOptions, socketProgram } from './programs.ts';
import { CHOICE_NAME, destroySteered, encodeChoice, openSteered, readSteered } from './steered.ts';

const CHOICE_BYTES = 8;

export interface SteeringOptions {
  /** Shared addresses, at most one of each family, and their port. */
  addresses: readonly string[];
  port: number;
  /** At most 7, in the order of the plans; each with an address of every family that a shared address has. */
  backends: readonly { name: string; addresses: readonly string[]; port: number }[];
  /** Index of the API server on this machine, which is preferred. */
  self?: number;
  log: Log;
  /** Folder of a cgroup v2; without it, the root of those that this process sees. */
  cgroup?: string;
}

export interface SocketSteering {
  /** Follows the states of the backends. Nothing happens while one is unknown: until then, what an earlier process chose stays. */
  apply(plan: Pick<DatapathPlan, 'backends'>): void;
  /** Puts back programs that somebody removed, and ends connections to dead backends that slipped through. What was mended, in words. */
  reconcile(): string[];
  /** Names of the backends that new connections go to; empty while they are left alone. */
  chosen(): string[];
  /** Connections now, and how many were ended since this process began because their backend died. */
  connections(): number;
  destroyed(): number;
  /** Why connections are not steered although they should be. */
  problem(): string | undefined;
  explain(): Explanation | undefined;
  /** Lets go; the programs stay. */
  close(): void;
  /** Lets go and removes the programs. */
  uninstall(): Effect;
}

export type SteeringOpened = { ok: true; steering: SocketSteering } | { ok: false; reason: string };

/** Needs Linux 5.14, CAP_BPF and CAP_NET_ADMIN, a cgroup v2. The kernel is asked for everything now, and changed with the first `apply`. */
export function openSocketSteering(options: SteeringOptions): SteeringOpened {
  const netns = networkNamespace();
  if (netns === undefined) return { ok: false, reason: 'the kernel does not tell network namespaces apart (needs Linux 5.14)' };
  const cgroup = openCgroup(options.cgroup);
  if (!cgroup.ok) return cgroup;
  const prepared = prepare(options, { netns, cgroupFd: cgroup.fd });
  if (prepared.ok) return { ok: true, steering: new LinuxSteering(options, prepared) };
  cgroup.close();
  return prepared;
}

interface Prepared {
  netns: bigint;
  cgroupFd: number;
  steeredFd: number;
  choice: { memory: ArrayBuffer; unmap(): void };
  programs: ReadonlyMap<CgroupHook, number>;
  left: readonly Found[];
}

type Refused = { ok: false; reason: string };

function prepare(options: SteeringOptions, place: { netns: bigint; cgroupFd: number }): ({ ok: true } & Prepared) | Refused {
  const alone = takenHook(place.cgroupFd);
  if (alone !== undefined) return { ok: false, reason: alone };
  const found = findPrograms(place.cgroupFd, place.netns);
  if (!found.ok) return found;
  const refused = (reason: string): Refused => {
    closeAll(found.programs);
    return { ok: false, reason };
  };
  const steered = openSteered(found.programs);
  if (!steered.ok) return refused(steered.reason);
  const cell = createCell(CHOICE_NAME);
  const choice = cell.ok ? libc.mapShared(cell.fd, CHOICE_BYTES) : undefined;
  const reason = cell.ok ? `map the choice into memory: ${libc.errnoName(libc.lastErrno())}` : cell.reason;
  const programs = cell.ok && choice ? loadAll({ ...options, netns: place.netns, choiceFd: cell.fd, steeredFd: steered.fd }) : undefined;
  // The programs hold the map from now on.
  if (cell.ok) libc.close(cell.fd);
  if (choice !== undefined && programs?.ok) {
    return { ok: true, ...place, steeredFd: steered.fd, choice, programs: programs.fds, left: found.programs };
  }
  choice?.unmap();
  libc.close(steered.fd);
  return refused(programs?.ok === false ? programs.reason : reason);
}

/** A program that wants to be alone at a hook lets none beside it. */
function takenHook(cgroupFd: number): string | undefined {
  for (const hook of HOOKS) {
    const attached = attachedPrograms(cgroupFd, hook);
    if (!attached.ok) return attached.reason;
    if (attached.shared) continue;
    const fd = openProgram(attached.ids[0] as number);
    const name = fd === undefined ? undefined : programInfo(fd)?.name;
    if (fd !== undefined) libc.close(fd);
    return `cgroup/${hook} is taken by program ${name ?? 'unknown'}, which shares it with none (attached without BPF_F_ALLOW_MULTI)`;
  }
  return undefined;
}

function loadAll(options: SocketProgramOptions): { ok: true; fds: Map<CgroupHook, number> } | Refused {
  const fds = new Map<CgroupHook, number>();
  for (const hook of HOOKS) {
    const loaded = loadProgram({
      name: programName(hook, options.netns),
      instructions: socketProgram(hook, options),
      ...CGROUP_HOOKS[hook],
    });
    if (!loaded.ok) {
      for (const fd of fds.values()) libc.close(fd);
      return loaded;
    }
    fds.set(hook, loaded.fd);
  }
  return { ok: true, fds };
}

class LinuxSteering implements SocketSteering {
  readonly #options: SteeringOptions;
  readonly #kernel: Prepared;
  readonly #choice: BigUint64Array;
  readonly #diag: SockDiag;
  #left: readonly Found[];
  /** Whether there was something to choose from, and the programs were put in place. */
  #decided = false;
  #slots: readonly number[] = [];
  #dead: readonly number[] = [];
  #destroyed = 0;
  #problem: string | undefined;

  constructor(options: SteeringOptions, kernel: Prepared) {
    this.#options = options;
    this.#kernel = kernel;
    this.#choice = new BigUint64Array(kernel.choice.memory);
    this.#diag = openSockDiag();
    this.#left = kernel.left;
  }

  apply({ backends }: Pick<DatapathPlan, 'backends'>): void {
    const states = backends.map(({ state }) => state);
    if (states.includes('unknown')) return;
    this.#slots = steeredBackends(states, this.#options.self);
    this.#dead = states.flatMap((state, i) => (state === 'dead' ? [i] : []));
    Atomics.store(this.#choice, 0, encodeChoice(this.#slots));
    if (!this.#decided) this.#takeOver();
    this.#endLost();
  }

  reconcile(): string[] {
    if (!this.#decided) return [];
    const mended = this.#putBack();
    this.#endLost();
    return mended;
  }

  chosen(): string[] {
    return this.#slots.map((slot) => this.#options.backends[slot]?.name as string);
  }

  connections(): number {
    return readSteered(this.#kernel.steeredFd).length;
  }

  destroyed(): number {
    return this.#destroyed;
  }

  problem(): string | undefined {
    return this.#problem;
  }

  explain(): Explanation | undefined {
    return explainSteering(this.#options);
  }

  close(): void {
    const { programs, steeredFd, cgroupFd, choice } = this.#kernel;
    for (const fd of [...programs.values(), steeredFd, cgroupFd]) libc.close(fd);
    closeAll(this.#left);
    choice.unmap();
    this.#diag.close();
  }

  uninstall(): Effect {
    const removed = removeSteering(this.#options);
    this.close();
    return removed.ok ? done : removed;
  }

  /** Only now, with something chosen, so that no connection meets programs that know nothing yet. */
  #takeOver(): void {
    this.#decided = true;
    this.#report(putPrograms(this.#kernel.cgroupFd, this.#kernel.programs, this.#left));
    closeAll(this.#left);
    this.#left = [];
  }

  #putBack(): string[] {
    const { cgroupFd, programs } = this.#kernel;
    const missing = [...programs].filter(([hook, fd]) => {
      const attached = attachedPrograms(cgroupFd, hook);
      return attached.ok && !attached.ids.includes(programInfo(fd)?.id as number);
    });
    if (missing.length === 0) return [];
    const put = putPrograms(cgroupFd, new Map(missing), []);
    this.#report(put);
    return put.ok ? missing.map(([hook]) => `cgroup/${hook}: the program was gone, and is attached again`) : [];
  }

  #report(put: Effect): void {
    const reason = put.ok ? undefined : put.reason;
    if (reason !== undefined && reason !== this.#problem) this.#options.log.error({ reason }, 'connections are not steered');
    this.#problem = reason;
  }

  /** While another backend is there to go to; otherwise the connection is as good as any that could follow it. */
  #endLost(): void {
    if (this.#slots.length === 0 || this.#dead.length === 0) return;
    const { backends, log } = this.#options;
    const dead = backends.filter((_, i) => this.#dead.includes(i));
    const count = destroySteered({ steeredFd: this.#kernel.steeredFd, diag: this.#diag, backends: dead, log });
    this.#destroyed += count;
    if (count > 0) log.info({ count, backends: dead.map(({ name }) => name) }, 'connections to dead API servers were ended');
  }
}

export type SteeringRemoved = { ok: true; removed: string[] } | Refused;

/** Removes what any process left at the cgroup for this network namespace; names the hooks. */
export function removeSteering({ cgroup: path }: Pick<SteeringOptions, 'cgroup'>): SteeringRemoved {
  const netns = networkNamespace();
  // Then no process can have put anything there.
  if (netns === undefined) return { ok: true, removed: [] };
  const cgroup = openCgroup(path);
  if (!cgroup.ok) return cgroup.mounted ? cgroup : { ok: true, removed: [] };
  const found = findPrograms(cgroup.fd, netns);
  const detached = found.ok ? detachAll(cgroup.fd, found.programs) : found;
  if (found.ok) closeAll(found.programs);
  cgroup.close();
  if (!found.ok || !detached.ok) return detached as Refused;
  return { ok: true, removed: found.programs.map(({ hook }) => `cgroup/${hook}`) };
}
