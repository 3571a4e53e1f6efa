import { HaleError } from '../../../base/error.ts';
import { compareProgress, type DataFolder } from '../data-folder/data-folder.ts';
import { copyArgv } from './host-script.ts';
import { quorumOf } from '../quorum.ts';
import { type MemberPlace, move, startSteps, stopSteps } from './restore-plan.ts';
import { type Action, type Operation, shellLine, type Step } from './step.ts';

/** A member whose host can be reached. */
export interface RecoverMember extends MemberPlace {
  /** What its data folder holds; undefined when that cannot be read, or shall not be used. */
  data: DataFolder | undefined;
  /** What it says itself; undefined when it gives no answer. */
  live: { raftIndex: number; revision: number } | undefined;
  availableBytes: number;
  /** Of its data. */
  usedBytes: number;
}

export interface RecoverRequest {
  id: string;
  where: string;
  /** Those whose hosts can be reached. */
  members: readonly RecoverMember[];
  /** Hosts that cannot be reached, and of which the user said that they are lost for good. */
  gone: readonly string[];
  hasAddress: boolean;
}

/** Copies need a little more than what they copy. */
const SPARE_BYTES = 64 * 1024 ** 2;

/** The first patch levels whose `--force-new-cluster` leaves no member or learner of before behind; 3.4 and 3.7 never did. */
const SOUND_PATCH: Readonly<Record<string, number>> = { '3.5': 25, '3.6': 6 };

/** Makes a new cluster of the member that got furthest, and joins the others to it. HaleError when there is none, or another way is better. */
export function planRecover(request: RecoverRequest): Operation {
  const { id, where, members, gone } = request;
  const survivors = members.flatMap((member) => (member.data === undefined ? [] : { ...member, data: member.data }));
  checkSurvivors(survivors, members.length + gone.length);
  const chosen = survivors.toSorted(
    (a, b) => compareProgress(progressOf(b), progressOf(a)) || Number(b.live !== undefined) - Number(a.live !== undefined),
  )[0] as Survivor;
  checkChosen(chosen);
  const others = members.filter(({ host }) => host !== chosen.host);
  return {
    id,
    kind: 'recover',
    where,
    steps: stepsOf({ ...request, hasAddress: request.hasAddress && !isAddressLost(request) }, { chosen, survivors, others }),
    losses: lossesOf(request, { chosen, survivors }),
    notes: notesOf({ chosen, others, id }),
    afterwards: [...(isAddressLost(request) ? [NO_HOLDER] : []), ...afterwardsOf({ id, voters: members.length, dataDir: chosen.dataDir })],
  };
}

const NO_HOLDER =
  'until a majority of the control-plane hosts runs again, nobody holds the shared address: clients reach the API servers at the addresses of their hosts only';

/** Its holder needs a majority of the agents, and those run where etcd does. */
function isAddressLost({ members, gone, hasAddress }: RecoverRequest): boolean {
  return hasAddress && members.length <= gone.length;
}

type Survivor = RecoverMember & { data: DataFolder };

/** What it will have on disk once it is stopped: while it runs, it knows of more than it has written. */
function progressOf({ data, live }: Survivor): { commitTerm: number; commitIndex: number } {
  return { commitTerm: data.commitTerm, commitIndex: Math.max(data.commitIndex, live?.raftIndex ?? 0) };
}

function checkSurvivors(survivors: readonly Survivor[], voters: number): void {
  if (survivors.length === 0) {
    throw new HaleError({
      code: 'etcd_no_survivor',
      kind: 'world',
      message: 'no host that can be reached has data of etcd that can be used',
      remedy: 'restore a snapshot: hale etcd restore FILE',
    });
  }
  const { needed } = quorumOf(voters, survivors.length);
  if (survivors.length >= needed) {
    const names = survivors.map(({ host }) => host).join(', ');
    throw new HaleError({
      code: 'etcd_quorum_possible',
      kind: 'usage',
      message: `the data of ${survivors.length} of ${voters} members is there (${names}), which is a quorum: nothing need be lost`,
      remedy: 'start etcd on them; when it does not start from its data there, name those members with --lost',
    });
  }
  const clusters = new Set(survivors.map(({ data }) => data.clusterId));
  if (clusters.size > 1) {
    const each = survivors.map(({ host, data }) => `${host} of ${data.clusterId}`).join(', ');
    throw new HaleError({
      code: 'etcd_clusters_differ',
      kind: 'usage',
      message: `the data folders are of different clusters: ${each}`,
      remedy: 'name those that are not of the right one with --lost',
    });
  }
}

function checkChosen({ host, version, availableBytes, usedBytes, dataDir }: Survivor): void {
  const [major, minor, patch] = version.split('.').map(Number);
  const sound = SOUND_PATCH[`${major}.${minor}`];
  if (sound !== undefined && (patch ?? 0) < sound) {
    throw new HaleError({
      code: 'etcd_recover_unsound',
      kind: 'world',
      message: `etcd ${version} on ${host} leaves members of before behind when it makes a new cluster (mended in 3.5.25 and 3.6.6)`,
      remedy: `put a newer ${major}.${minor} there; or take a snapshot of ${host}, which works without a quorum, and restore that`,
    });
  }
  if (availableBytes >= usedBytes + SPARE_BYTES) return;
  throw new HaleError({
    code: 'etcd_room_missing',
    kind: 'world',
    message: `${host}: ${dataDir} has no room for a copy of its ${Math.ceil(usedBytes / 1024 ** 2)} MiB`,
    remedy: 'make room there, then run the command again; nothing was touched',
  });
}

interface Choice {
  chosen: Survivor;
  survivors: readonly Survivor[];
  others: readonly RecoverMember[];
}

function stepsOf({ id, members, hasAddress }: RecoverRequest, { chosen, survivors, others }: Choice): Step[] {
  const kept = (dataDir: string) => `${dataDir}/member-before-recover-${id}`;
  const dropped = (dataDir: string) => `${dataDir}/member-rolled-back-${id}`;
  const { host, dataDir } = chosen;
  const data = (folder: string) => `${folder}/member`;
  const aside = (member: RecoverMember, to: string): Action => move(member.host, { from: data(member.dataDir), to, missing: 'fine' });
  const copy: Action = {
    kind: 'run',
    host,
    argv: copyArgv(data(dataDir), kept(dataDir)),
    shown: shellLine(['cp', '-a', data(dataDir), kept(dataDir)]),
  };
  const back = (member: RecoverMember): Action =>
    move(member.host, { from: kept(member.dataDir), to: data(member.dataDir), missing: 'fine' });
  return [
    ...stopSteps(members, { hasQuorum: false }),
    {
      id: 'furthest',
      does: `make sure that nobody is ahead of ${host}, now that all of them have written what they know`,
      phases: [[{ kind: 'furthest', host, folders: Object.fromEntries(survivors.map((each) => [each.host, each.dataDir])) }]],
    },
    {
      id: 'keep',
      does: `copy the data folder of ${host}, and rename those of the others; hale never deletes them`,
      phases: [[copy, ...others.map((member) => aside(member, kept(member.dataDir)))]],
      undo: [others.map(back)],
    },
    {
      id: 'force',
      does: `start etcd on ${host} once as a new cluster of its own, with the data that it has`,
      phases: [[{ kind: 'start', host, service: 'etcd', arguments: ['--force-new-cluster'] }], [{ kind: 'voters', host, count: 1 }]],
      undo: [[{ kind: 'stop', host, service: 'etcd' }], [aside(chosen, dropped(dataDir))], [back(chosen)]],
    },
    {
      id: 'normal',
      does: `start it again without that flag`,
      phases: [[{ kind: 'stop', host, service: 'etcd' }], [{ kind: 'start', host, service: 'etcd' }], [{ kind: 'voters', host, count: 1 }]],
      undo: [[{ kind: 'stop', host, service: 'etcd' }]],
    },
    ...others.map((member, i) => join(chosen, { member, voters: i + 2, dropped: dropped(member.dataDir) })),
    {
      id: 'compare',
      does: 'compare the members: equal hashes, and nothing of what was known is missing',
      phases: [[{ kind: 'compare', host, wanted: { revisionAtLeast: chosen.live?.revision ?? 0 } }]],
    },
    ...startSteps([chosen, ...others], { hasAddress }),
  ];
}

function join({ host: on }: Survivor, { member, voters, dropped }: { member: RecoverMember; voters: number; dropped: string }): Step {
  const { host, peerUrl, dataDir } = member;
  return {
    id: `join-${host}`,
    does: `join ${host} with an empty data folder, as a learner first`,
    phases: [
      [
        { kind: 'add-member', host: on, name: host, peerUrl },
        { kind: 'start-joining', host, on, peerUrl },
      ],
      [{ kind: 'voters', host: on, count: voters }],
    ],
    undo: [[{ kind: 'stop', host, service: 'etcd' }], [move(host, { from: `${dataDir}/member`, to: dropped, missing: 'fine' })]],
  };
}

function lossesOf({ members, gone }: RecoverRequest, { chosen, survivors }: Pick<Choice, 'chosen' | 'survivors'>): string[] {
  const unread = [...gone, ...members.filter(({ data }) => data === undefined).map(({ host }) => host)];
  const { host, data, live } = chosen;
  const { commitIndex } = progressOf(chosen);
  const at = live === undefined ? `index ${commitIndex}` : `revision ${live.revision} (index ${commitIndex})`;
  const behind = survivors.filter((other) => other !== chosen);
  return [
    `Writes after ${at} of ${host} are lost, if there were any: ${unread.join(' and ')} may have acknowledged some that ${host} does not know of, and nobody can tell how many.`,
    ...(data.lastIndex > commitIndex
      ? [
          `${data.lastIndex - commitIndex} entries at the end of ${host}'s log are dropped: it does not know whether they were committed, and they may have been acknowledged.`,
        ]
      : []),
    ...behind.map((other) => `${other.host} got as far as index ${progressOf(other).commitIndex}, and has nothing that ${host} has not.`),
    ...(gone.length === 0
      ? []
      : [
          `${gone.join(' and ')} must never start etcd again with the data of before: together with others of its kind it would be a second cluster with the same name.`,
        ]),
  ];
}

function notesOf({ chosen, others, id }: Pick<Choice, 'chosen' | 'others'> & { id: string }): string[] {
  return [
    `${chosen.host} is taken because it has committed most: index ${progressOf(chosen).commitIndex} of term ${chosen.data.commitTerm}.`,
    'Where a snapshot can be had, a restore is the better way: it raises the revision, so that nobody who watches goes back in time unseen.',
    `The old data stays on ${[chosen, ...others].map(({ host }) => host).join(', ')} in ${chosen.dataDir}/member-before-recover-${id}.`,
  ];
}

function afterwardsOf({ id, voters, dataDir }: { id: string; voters: number; dataDir: string }): string[] {
  return [
    ...(voters < 3
      ? [`etcd has ${voters} ${voters === 1 ? 'voter' : 'voters'} and bears no failure: add members with hale etcd member add`]
      : []),
    'restart kubelets, kube-proxy, the network plugin, controllers and operators: the revision may have gone back a little, and none of them notices by itself',
    'take a snapshot: hale etcd snapshot save',
    `when all is well, remove ${dataDir}/member-before-recover-${id} on each host`,
  ];
}
