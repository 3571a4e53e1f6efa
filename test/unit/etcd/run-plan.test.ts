import { describe, expect, test } from 'vitest';
import type { JournalEntry } from '../../../src/core/etcd/rebuild/journal.ts';
import { planRestore } from '../../../src/core/etcd/rebuild/restore-plan.ts';
import type { HostService } from '../../../src/core/etcd/rebuild/step.ts';
import { beginOperation, goOn, type OperationWorld, rollBack } from '../../../src/engine/etcd/run-plan.ts';
import type { Host, HostRunResult } from '../../../src/ports/host.ts';

/* The production plan and engine on hosts that are nothing but names of folders, killed at every single thing that is done to a host. */

const NAMES = ['a', 'b', 'c'];
const DATA = '/var/lib/etcd';
const ID = '20260101-000000';

const operation = planRestore({
  id: ID,
  where: 'lab demo',
  members: NAMES.map((host) => ({
    host,
    peerUrl: `https://${host}:2380`,
    dataDir: DATA,
    version: '3.5.33',
    services: ['apiserver', 'controllers'],
    availableBytes: 2 ** 40,
    usedBytes: 1,
    tool: { path: 'etcdutl', version: '3.5.33', bumps: true },
  })),
  snapshot: { path: '/s.db', sha256: 'ab', bytes: 1, revision: 7, keys: 5, alarms: [], hasHash: true, ageText: '' },
  liveRevision: 9,
  hasQuorum: true,
  hasAddress: true,
});

/** Folders and what they hold, and services that run. */
interface FakeHost {
  folders: Map<string, string>;
  running: Set<HostService>;
}

class Killed extends Error {}

/** Ends the engine at the `at`-th thing that is done to a host, just before or just after it. */
interface Death {
  at: number;
  when: 'before' | 'after';
}

class World {
  readonly hosts = new Map<string, FakeHost>(
    NAMES.map((name) => [
      name,
      { folders: new Map([[`${DATA}/member`, 'old']]), running: new Set<HostService>(['etcd', 'apiserver', 'controllers']) },
    ]),
  );
  readonly entries: JournalEntry[] = [];
  /** Things done to hosts by the present engine. */
  acts = 0;
  isDead = false;
  #now = 0;

  /** Time passes at once; for who is dead, so much that nobody waits any longer. */
  #pass(time: number, callback: () => void) {
    this.#now = this.isDead ? time + 3_600_000 : time;
    queueMicrotask(callback);
    return { cancel: () => undefined };
  }

  /** What an engine that starts now works with. */
  start(death?: Death): OperationWorld {
    this.acts = 0;
    this.isDead = false;
    return {
      hosts: NAMES.map((name) => this.#host(name, death)),
      journal: {
        read: () => [...this.entries],
        append: (event) => {
          if (this.isDead) throw new Killed();
          this.entries.push({ at: 'T', ...event });
        },
      },
      clock: { now: () => this.#now, at: (time, callback) => this.#pass(time, callback) },
      signal: { aborted: false, addEventListener: () => undefined, removeEventListener: () => undefined },
      openSnapshot: async function* () {},
      askAddress: async () => undefined,
      tell: { step: () => undefined, at: () => undefined },
    };
  }

  #host(name: string, death: Death | undefined): Host {
    const host = this.hosts.get(name) as FakeHost;
    const act = <T>(effect: () => T): T => {
      if (this.isDead) throw new Killed();
      const dies = ++this.acts === death?.at;
      if (dies && death?.when === 'before') this.isDead = true;
      if (this.isDead) throw new Killed();
      const result = effect();
      if (dies) this.isDead = true;
      if (this.isDead) throw new Killed();
      return result;
    };
    return {
      name,
      hale: ['hale'],
      run: async (argv) => act(() => (argv[0] === 'hale' ? this.#hale(argv) : runScript(host, argv))),
      state: async (service) => (host.running.has(service) ? 'ready' : 'stopped'),
      stop: async (service) => act(() => void host.running.delete(service)),
      start: async (service) =>
        act(() => {
          // What must never be: etcd on an empty folder, or an API server beside etcd that is not there.
          if (service === 'etcd') expect(host.folders.has(`${DATA}/member`)).toBe(true);
          host.running.add(service);
        }),
    };
  }

  #hale(argv: readonly string[]): HostRunResult {
    const contents = new Set(
      [...this.hosts.values()].flatMap(({ folders, running }) => (running.has('etcd') ? [folders.get(`${DATA}/member`)] : [])),
    );
    // Members of different data never meet.
    expect(contents.size).toBe(1);
    const isNew = contents.has('new');
    if (argv.includes('get')) return said(null);
    if (argv.includes('fingerprint')) {
      const revision = isNew ? 1_000_000_007 : 9;
      const members = NAMES.map((name) => ({ name, id: name, hash: 1, compactRevision: revision, problem: null }));
      return said({ revision, keys: 5, equal: true, members });
    }
    const members = NAMES.map((name) => ({
      name,
      id: name,
      peerUrls: [],
      isLearner: false,
      status: { leaderId: 'a', errors: [], memberId: name },
    }));
    return said({ members, leader: members[0], quorum: { voters: 3, needed: 2, alive: 3, canLose: 1 } });
  }

  /** All that people see. */
  get seen() {
    return [...this.hosts.values()].map(({ folders, running }) => ({
      folders: Object.fromEntries([...folders].toSorted()),
      running: [...running].toSorted(),
    }));
  }
}

const said = (document: object | null): HostRunResult => ({ code: 0, stdout: JSON.stringify(document), stderr: '' });
const done: HostRunResult = { code: 0, stdout: '', stderr: '' };

/** What the scripts of a plan do to folders; test/contract/host-script.test.ts runs the scripts themselves. */
function runScript({ folders, running }: FakeHost, argv: readonly string[]): HostRunResult {
  const script = argv[2] as string;
  const words = argv.slice(4);
  const [first, second] = words as [string, string];
  // Nobody changes the data of an etcd that runs.
  if (script.includes('mv -T "$1"')) expect(running.has('etcd')).toBe(false);
  if (script.includes('rm -rf --')) {
    const goes = (name: string) => words.some((path) => name === path || name.startsWith(`${path}/`));
    for (const name of Array.from(folders.keys()).filter(goes)) folders.delete(name);
  }
  if (script.includes('cat >"$work"')) folders.set(first, 'snapshot');
  if (script.includes('--data-dir=')) folders.set(`${second}/member`, 'new');
  if (script.includes('mv -T "$1"')) {
    const content = folders.get(first);
    if (content !== undefined && folders.has(second)) return { code: 9, stdout: '', stderr: 'both exist' };
    if (content !== undefined) folders.set(second, content).delete(first);
    if (words[2] === 'must' && !folders.has(second)) return { code: 9, stdout: '', stderr: 'does not exist' };
  }
  return done;
}

async function ended(work: Promise<unknown>): Promise<unknown> {
  return await work.catch((error: unknown) => error);
}

async function whole(): Promise<World> {
  const world = new World();
  await beginOperation(operation, world.start());
  return world;
}

const uninterrupted = await whole();
const deaths = Array.from({ length: uninterrupted.acts }, (_, i) => i + 1).flatMap((at) =>
  (['before', 'after'] as const).map((when): Death => ({ at, when })),
);

describe('a restore', () => {
  test('ends with the new data everywhere, the old kept, and all services', () => {
    const host = {
      folders: { [`${DATA}/member`]: 'new', [`${DATA}/member-before-restore-${ID}`]: 'old' },
      running: ['apiserver', 'controllers', 'etcd'],
    };
    expect(uninterrupted.seen).toEqual([host, host, host]);
    expect(deaths.length).toBeGreaterThan(60);
  });

  test('killed at anything that is done, and again later, it ends the same', async () => {
    for (const death of deaths) {
      const world = new World();
      await ended(beginOperation(operation, world.start(death)));
      await ended(goOn(world.start({ at: 3, when: death.when })));
      await goOn(world.start());
      expect(world.seen, JSON.stringify(death)).toEqual(uninterrupted.seen);
    }
  });

  test('killed at anything that is done, and again while things are put back, it leaves what was there before', async () => {
    for (const death of deaths) {
      const world = new World();
      await ended(beginOperation(operation, world.start(death)));
      await ended(rollBack(world.start({ at: 3, when: death.when })));
      await rollBack(world.start());
      const rest = world.seen.map(({ folders, running }) => ({
        folders: Object.fromEntries(Object.entries(folders).filter(([name]) => !name.includes('rolled-back'))),
        running,
      }));
      expect(rest, JSON.stringify(death)).toEqual(new World().seen);
    }
  });

  test('etcd stops and starts on one host after the other, and waits for ever for none', async () => {
    const world = new World();
    const order: string[] = [];
    const start = world.start();
    const slow = async (text: string, work: () => Promise<void>) => {
      order.push(text);
      for (let i = 0; i < 20; i++) await undefined;
      // One that never gets so far that it answers anybody.
      if (text !== 'start b') await work();
      order.push(`${text}: done`);
    };
    const hosts = start.hosts.map((host): Host => {
      const noted = (verb: 'start' | 'stop', service: HostService) =>
        service === 'etcd' ? slow(`${verb} ${host.name}`, () => host[verb](service)) : host[verb](service);
      return { ...host, start: (service) => noted('start', service), stop: (service) => noted('stop', service) };
    });
    await ended(beginOperation(operation, { ...start, hosts }));
    const turns = (verb: string) => NAMES.flatMap((name) => [`${verb} ${name}`, `${verb} ${name}: done`]);
    expect(order).toEqual([...turns('stop'), ...turns('start')]);
  });

  test('a host that is gone is left out when things are put back', async () => {
    const world = new World();
    await ended(beginOperation(operation, world.start({ at: 30, when: 'after' })));
    world.hosts.get('b')?.running.clear();
    const before = world.seen[1];
    await rollBack(world.start(), ['b']);
    expect(world.seen[1]).toEqual(before);
    expect([world.seen[0], world.seen[2]].map((host) => host?.folders[`${DATA}/member`])).toEqual(['old', 'old']);
  });
});
