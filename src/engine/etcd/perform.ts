import { assert } from '../../base/assert.ts';
import { HaleError } from '../../base/error.ts';
import { dataProblem, restoredRevision } from '../../core/etcd/rebuild/after.ts';
import { alarmsOf } from '../../core/etcd/alarms.ts';
import { compareProgress, type DataFolder } from '../../core/etcd/data-folder/data-folder.ts';
import { putArgv } from '../../core/etcd/rebuild/host-script.ts';
import type { Facts } from '../../core/etcd/rebuild/journal.ts';
import type { Action, Operation, WantedData } from '../../core/etcd/rebuild/step.ts';
import type { EtcdView } from '../../core/etcd/view.ts';
import type { Host, HostRunOptions, HostServiceState } from '../../ports/host.ts';
import type { Fingerprint } from './fingerprint.ts';
import { commandFailed, fingerprintOnHost, haleOnHost, nobodyWorks, statusOnHost } from './on-host.ts';
import { pause } from './pause.ts';
import type { OperationWorld } from './run-plan.ts';

const POLL_MS = 250;
/** Hosts that are gone for good cost that much of each look, of which there are many. */
const LOOK_MS = 2000;
/** Real API servers that start at once on a busy machine take their time. */
const WITHIN_MS = 180_000;
/** It saves time and no more. */
const TURN_WITHIN_MS = 15_000;
const TURN_POLL_MS = 50;
/** A database of 8 GiB over a slow network and onto a slow disk. */
const COMMAND_WITHIN_MS = 3_600_000;

const UNGUARDED = 'etcd gives no answer, so nothing says whether somebody else works on it: see that nobody does';

interface Context {
  operation: Operation;
  world: OperationWorld;
}

type At = Context & { host: Host };
type Performers = { [K in Action['kind']]: (action: Extract<Action, { kind: K }>, at: At) => Promise<Facts | void> };

/** Does one action of a step, and says what came out. HaleError when it cannot be done. */
export async function perform(action: Action, context: Context): Promise<Facts> {
  const host = context.world.hosts.find(({ name }) => name === action.host);
  assert(host !== undefined, 'a plan names hosts that there are');
  const performer = PERFORMERS[action.kind] as (action: Action, at: At) => Promise<Facts | void>;
  return (await performer(action, { ...context, host })) ?? {};
}

const PERFORMERS: Performers = {
  stop: async ({ service, after }, at) => {
    if (after !== undefined) await itsTurn(at, { after, isOver: (state) => state === 'stopped' });
    await at.host.stop(service);
  },
  start: async ({ service, arguments: added, after }, at) => {
    if (after !== undefined) await itsTurn(at, { after, isOver: (state) => state === 'answers-peers' || state === 'ready' });
    if (!at.world.signal.aborted) await at.host.start(service, added === undefined ? {} : { arguments: added });
  },
  ready: async ({ service }, at) => {
    await until(at, async () => {
      const state = await at.host.state(service);
      if (state === 'stopped') return `${service} has ended again`;
      return state === 'ready' ? undefined : `${service} does not serve yet`;
    });
  },
  alone: async (_, at) => {
    const isKnown = await nobodyWorks(asking(at));
    if (!isKnown && !at.world.signal.aborted) at.world.tell.step(UNGUARDED);
  },
  put: async ({ path }, at) => {
    const { snapshot } = at.operation;
    assert(snapshot !== undefined && at.world.openSnapshot !== undefined, 'what puts a snapshot has one');
    await runThere(at, { argv: putArgv(path, snapshot.sha256), shown: `cat >${path}`, input: at.world.openSnapshot() });
    return { [`${at.host.name}: ${path}`]: snapshot.sha256 };
  },
  run: async ({ argv, shown }, at) => await runThere(at, { argv, shown }),
  voters: async ({ count }, at) => await untilSeen(at, (view) => votersProblem(view, count)),
  quorum: async (_, at) =>
    await untilSeen(at, ({ leader, quorum }) => (leader === null || quorum.canLose < 0 ? 'etcd has no quorum yet' : undefined)),
  compare: async ({ wanted }, at) => await compare(wanted, at),
  furthest: async ({ folders }, at) => await checkFurthest(folders, at),
  'add-member': async ({ name, peerUrl }, at) => {
    // One that a command before this one began goes on by itself, and has the lock over such work for a while.
    await until(at, async () => {
      const member = memberAt(await statusOnHost(asking(at), LOOK_MS), peerUrl);
      if (member !== undefined && member.name !== '' && !member.isLearner) return undefined;
      await haleOnHost(asking(at), ['etcd', 'member', 'add', name, '--peer-url', peerUrl, '--yes'], WITHIN_MS);
      return undefined;
    });
  },
  'start-joining': async (action, at) => await startJoining(action, at),
  address: async (_, at) => {
    await until(at, async () => await at.world.askAddress?.());
  },
};

const asking = ({ host, world }: At) => ({ host, signal: world.signal });

/** Waits for etcd on another host, and not for one that cannot be asked: that is told of where it is stopped or started itself. */
async function itsTurn({ world }: At, { after, isOver }: { after: string; isOver: (state: HostServiceState) => boolean }): Promise<void> {
  const other = world.hosts.find(({ name }) => name === after);
  assert(other !== undefined, 'a plan names hosts that there are');
  const deadline = world.clock.now() + TURN_WITHIN_MS;
  while (!world.signal.aborted && world.clock.now() < deadline) {
    const state = await other.state('etcd').catch(() => undefined);
    if (state === undefined || state === 'absent' || isOver(state)) return;
    await pause(world.clock, TURN_POLL_MS);
  }
}

async function runThere(
  { host, world }: At,
  command: { argv: readonly string[]; shown: string; input?: HostRunOptions['input'] },
): Promise<void> {
  const { argv, shown, input } = command;
  const options = { timeoutMs: COMMAND_WITHIN_MS, signal: world.signal };
  const { code, stdout, stderr } = await host.run(argv, input === undefined ? options : { ...options, input });
  if (code !== 0) throw commandFailed({ host: host.name, shown, code, said: stderr || stdout });
}

function votersProblem({ members, leader, quorum }: EtcdView, count: number): string | undefined {
  const silent = members.filter(({ status }) => status?.leaderId === undefined).map(({ name, id }) => name || id);
  if (members.length === 0) return 'no member answers yet';
  if (silent.length > 0) return `${silent.join(', ')} knows no leader yet`;
  if (leader === null || quorum.canLose < 0) return 'etcd has no leader yet';
  if (quorum.voters !== count || members.length !== count)
    return `etcd has ${quorum.voters} voters among ${members.length} members, not ${count}`;
  return undefined;
}

/** Waits for a look that shows no problem; alarms that came with the data are told, and stay. */
async function untilSeen(at: At, problemOf: (view: EtcdView) => string | undefined): Promise<Facts> {
  let seen: EtcdView | undefined;
  await until(at, async () => {
    seen = await statusOnHost(asking(at), LOOK_MS);
    return problemOf(seen);
  });
  const words = (seen?.members ?? []).flatMap(({ status }) => status ?? []);
  const alarms = alarmsOf(words).map(({ alarm, memberId }) => `${alarm} of member ${memberId}`);
  if (alarms.length > 0) at.world.tell.step(`etcd has an alarm: ${alarms.join(', ')} (docs/guide/etcd.md)`);
  return { leader: seen?.leader?.name, term: seen?.leader?.status?.raftTerm, ...(alarms.length === 0 ? {} : { alarms }) };
}

/** Looks again until there is no problem. HaleError `operation_waited` with the last one when it takes too long. */
async function until({ world, host }: At, look: () => Promise<string | undefined>): Promise<void> {
  const deadline = world.clock.now() + WITHIN_MS;
  for (;;) {
    const problem = await look().catch((error: unknown) => (error as Error).message);
    if (problem === undefined || world.signal.aborted) return;
    if (world.clock.now() > deadline) {
      throw new HaleError({
        code: 'operation_waited',
        kind: 'world',
        message: `${host.name}: after ${WITHIN_MS / 1000} s still: ${problem}`,
      });
    }
    world.tell.at(`${host.name}: ${problem}`);
    await pause(world.clock, POLL_MS);
  }
}

/** Members that compact at this moment have other hashes for a while. */
async function compare(wanted: WantedData, at: At): Promise<Facts> {
  let found: Fingerprint | undefined;
  await until(at, async () => {
    found = await fingerprintOnHost(asking(at));
    return dataProblem(found, wanted);
  });
  if (found === undefined) return {};
  const { revision, members } = found;
  const facts = { revision, hash: members[0]?.hash };
  if (wanted.restored === undefined) return { ...facts, keys: found.keys };
  const then = await fingerprintOnHost(asking(at), restoredRevision(found, wanted.restored));
  if (then.keys === wanted.restored.keys) return { ...facts, keys: then.keys };
  throw new HaleError({
    code: 'etcd_data_differs',
    kind: 'world',
    message: `etcd holds ${then.keys} keys at revision ${then.revision}, and the snapshot has ${wanted.restored.keys}`,
  });
}

async function checkFurthest(folders: Readonly<Record<string, string>>, at: At): Promise<Facts> {
  const hosts = at.world.hosts.filter(({ name }) => folders[name] !== undefined);
  const found = await Promise.all(
    hosts.map(
      async (host) =>
        [host.name, await haleOnHost<DataFolder>(asking({ ...at, host }), ['etcd', 'data', folders[host.name] as string])] as const,
    ),
  );
  const positions = new Map(found);
  const chosen = positions.get(at.host.name);
  assert(chosen !== undefined, 'the chosen host is one of those that are compared');
  const ahead = found.find(([, other]) => compareProgress(chosen, other) < 0);
  if (ahead !== undefined) {
    const [name, { commitTerm, commitIndex }] = ahead;
    throw new HaleError({
      code: 'etcd_other_ahead',
      kind: 'world',
      message: `${name} has committed index ${commitIndex} of term ${commitTerm}, and ${at.host.name} only ${chosen.commitIndex} of term ${chosen.commitTerm}`,
      remedy: 'put things back with --rollback, and begin anew: the plan will then name that member',
    });
  }
  return Object.fromEntries(found);
}

function memberAt({ members }: EtcdView, peerUrl: string): EtcdView['members'][number] | undefined {
  return members.find(({ peerUrls }) => peerUrls.includes(peerUrl));
}

/** The other members have names, since they have started; this one has none there yet. */
async function startJoining({ host: name, on, peerUrl }: Extract<Action, { kind: 'start-joining' }>, at: At): Promise<void> {
  const asked = at.world.hosts.find((host) => host.name === on);
  assert(asked !== undefined, 'a plan names hosts that there are');
  let members: EtcdView['members'] = [];
  await until(at, async () => {
    const view = await statusOnHost(asking({ ...at, host: asked }), LOOK_MS);
    ({ members } = view);
    return memberAt(view, peerUrl) === undefined ? `not known to ${on} yet` : undefined;
  });
  if (at.world.signal.aborted) return;
  const others = members
    .filter((member) => !member.peerUrls.includes(peerUrl))
    .flatMap((other) => other.peerUrls.map((url) => `${other.name}=${url}`));
  const cluster = [...others, `${name}=${peerUrl}`].join(',');
  await at.host.start('etcd', { arguments: ['--initial-cluster-state=existing', `--initial-cluster=${cluster}`] });
}
