import { HaleError } from '../../../base/error.ts';
import { moveArgv, removeArgv, restoreArgv, type HostFacts, type RestoreTool } from './host-script.ts';
import { type Action, type HostService, type Operation, type OperationSnapshot, shellLine, type Step } from './step.ts';

/** A member of etcd on a control-plane host. */
export interface MemberPlace {
  host: string;
  peerUrl: string;
  dataDir: string;
  /** Of etcd there. */
  version: string;
  /** What the host has besides etcd. */
  services: readonly HostService[];
}

export interface RestoreRequest {
  id: string;
  where: string;
  /** Every member: a cluster is restored whole, from one file. */
  members: readonly (MemberPlace & HostFacts)[];
  snapshot: OperationSnapshot;
  /** Revision of the cluster as it is now; undefined when it gives no answer. */
  liveRevision: number | undefined;
  /** Whether etcd has a quorum now. */
  hasQuorum: boolean;
  /** Whether somebody answers for the shared address. */
  hasAddress: boolean;
}

/** etcd fills two files of 64 MB with zeros before it writes (server/storage/wal). */
const WAL_BYTES = 160 * 1024 ** 2;
const BUMP = 1_000_000_000;

/** Restores every member from one snapshot. HaleError when a host lacks the program or the room. */
export function planRestore(request: RestoreRequest): Operation {
  const { id, where, members, snapshot } = request;
  const tools = members.map((member) => toolOf(member, snapshot.bytes));
  const bumps = tools.every((tool) => tool.bumps);
  return {
    id,
    kind: 'restore',
    where,
    snapshot,
    losses: lossesOf(request),
    notes: notesOf(request, bumps ? undefined : tools.find((tool) => !tool.bumps)),
    steps: stepsOf(request, { tools, bumps }),
    afterwards: afterwardsOf(request, bumps),
  };
}

function toolOf({ host, tool, version, availableBytes, dataDir }: MemberPlace & HostFacts, snapshotBytes: number): RestoreTool {
  const neededBytes = 2 * snapshotBytes + WAL_BYTES;
  if (availableBytes < neededBytes) {
    throw new HaleError({
      code: 'etcd_room_missing',
      kind: 'world',
      message: `${host}: ${dataDir} has room for ${mib(availableBytes)} MiB, and ${mib(neededBytes)} are needed beside the data that is kept`,
      remedy: 'make room there, then run the command again; nothing was touched',
    });
  }
  if (tool !== undefined && minorOf(tool.version) === minorOf(version)) return tool;
  throw new HaleError({
    code: 'etcd_tool_missing',
    kind: 'world',
    message:
      tool === undefined
        ? `${host}: neither etcdutl nor an etcdctl that can restore is there`
        : `${host}: ${tool.path} is of ${tool.version}, and etcd of ${version}`,
    remedy: `put etcdutl of etcd ${version} on PATH of that host; it comes in etcd's release beside etcd itself`,
  });
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

function mib(bytes: number): number {
  return Math.ceil(bytes / 1024 ** 2);
}

function minorOf(version: string): string {
  return version.split('.').slice(0, 2).join('.');
}

function stepsOf(request: RestoreRequest, { tools, bumps }: { tools: readonly RestoreTool[]; bumps: boolean }): Step[] {
  const { members, snapshot, hasAddress, hasQuorum } = request;
  const names = pathsOf(request.id);
  const each = (action: (member: RestoreRequest['members'][number], i: number) => Action): Action[] => members.map(action);
  const first = members[0]?.host as string;
  return [
    {
      id: 'send',
      does: `bring the snapshot to ${members.length} hosts, and compare its SHA-256 there`,
      phases: [each(({ host, dataDir }) => ({ kind: 'put', host, path: names.file(dataDir) }))],
      undo: [each(({ host, dataDir }) => remove(host, names.file(dataDir)))],
    },
    {
      id: 'build',
      does: 'make a new data folder from it on each host, beside the old one',
      phases: [each((member, i) => build(request, { member, tool: tools[i] as RestoreTool, bumps }))],
      undo: [each(({ host, dataDir }) => remove(host, names.made(dataDir)))],
    },
    ...(hasQuorum
      ? [{ id: 'alone', does: 'make sure that nobody else works on etcd', phases: [[{ kind: 'alone', host: first } as const]] }]
      : []),
    ...stopSteps(members, { hasQuorum }),
    {
      id: 'keep',
      does: 'rename the old data folders; hale never deletes them',
      phases: [each(({ host, dataDir }) => move(host, { from: `${dataDir}/member`, to: names.kept(dataDir), missing: 'fine' }))],
      undo: [each(({ host, dataDir }) => move(host, { from: names.kept(dataDir), to: `${dataDir}/member`, missing: 'fine' }))],
    },
    {
      id: 'place',
      does: 'put the new data folders in their place',
      phases: [
        each(({ host, dataDir }) => move(host, { from: `${names.made(dataDir)}/member`, to: `${dataDir}/member`, missing: 'error' })),
      ],
      undo: [each(({ host, dataDir }) => move(host, { from: `${dataDir}/member`, to: names.dropped(dataDir), missing: 'fine' }))],
    },
    {
      id: 'start-etcd',
      does: 'start all members, one after the other, and wait until they agree on a leader',
      phases: [inTurn('start', members.map(hostOf)), [{ kind: 'voters', host: first, count: members.length }]],
      undo: [inTurn('stop', members.map(hostOf))],
    },
    {
      id: 'compare',
      does: `compare the members: equal hashes, and ${counted(snapshot.keys, 'key')} as in the snapshot`,
      phases: [
        [
          {
            kind: 'compare',
            host: first,
            wanted: {
              revisionAtLeast: snapshot.revision + (bumps ? BUMP : 0),
              restored: { keys: snapshot.keys, revision: snapshot.revision, isBumped: bumps },
            },
          },
        ],
      ],
    },
    ...startSteps(members, { hasAddress }),
    {
      id: 'tidy',
      does: 'remove the snapshot from the hosts',
      phases: [each(({ host, dataDir }) => remove(host, names.file(dataDir), names.made(dataDir)))],
    },
  ];
}

/** In the data folder, which may be a file system of its own: a rename there is one step and needs no room. */
function pathsOf(id: string) {
  return {
    file: (dataDir: string) => `${dataDir}/restore-${id}.db`,
    made: (dataDir: string) => `${dataDir}/restore-${id}`,
    kept: (dataDir: string) => `${dataDir}/member-before-restore-${id}`,
    dropped: (dataDir: string) => `${dataDir}/member-rolled-back-${id}`,
  };
}

function build(
  { id, where, members, snapshot }: RestoreRequest,
  { member, tool, bumps }: { member: RestoreRequest['members'][number]; tool: RestoreTool; bumps: boolean },
): Action {
  const { host, dataDir, peerUrl } = member;
  const { file, made } = pathsOf(id);
  const command = [
    // etcdctl 3.4 and 3.5 want it; the others do not mind.
    'env',
    'ETCDCTL_API=3',
    tool.path,
    'snapshot',
    'restore',
    file(dataDir),
    `--name=${host}`,
    `--initial-cluster=${members.map((each) => `${each.host}=${each.peerUrl}`).join(',')}`,
    `--initial-cluster-token=${where.replaceAll(/[^\w-]/g, '-')}-${id}`,
    `--initial-advertise-peer-urls=${peerUrl}`,
    ...(snapshot.hasHash ? [] : ['--skip-hash-check']),
    ...(bumps ? [`--bump-revision=${BUMP}`, '--mark-compacted'] : []),
  ];
  const shown = `${shellLine(command)} --data-dir=${made(dataDir)}`;
  return { kind: 'run', host, argv: restoreArgv({ dataDir, made: made(dataDir), command }), shown };
}

/** Stops what writes to etcd, then etcd. */
export function stopSteps(members: readonly MemberPlace[], { hasQuorum }: { hasQuorum: boolean }): Step[] {
  const [first] = members;
  const services = (['controllers', 'apiserver', 'etcd'] as const).map((service) => {
    const hosts = members.filter((member) => service === 'etcd' || member.services.includes(service)).map(({ host }) => host);
    const atOnce = (kind: 'start' | 'stop') => hosts.map((host): Action => ({ kind, host, service }));
    const all = service === 'etcd' ? (kind: 'start' | 'stop') => inTurn(kind, hosts) : atOnce;
    const back: Action[][] = [
      all('start'),
      ...(service === 'etcd' && hasQuorum ? [[{ kind: 'quorum', host: first?.host as string } as const]] : []),
      ...(service === 'apiserver' && hasQuorum ? [hosts.map((host) => ({ kind: 'ready', host, service }) as const)] : []),
    ];
    const step: Step = {
      id: `stop-${service}`,
      does: `stop ${NAMES[service]} on ${hosts.join(', ')}, and keep ${service === 'etcd' ? 'it' : 'them'} from starting`,
      phases: [all('stop')],
      undo: back,
    };
    return { step, hosts };
  });
  return services.flatMap(({ step, hosts }) => (hosts.length === 0 ? [] : step));
}

/**
 * etcd on one host after the other. Members that start at once ask each other for hashes before any of them answers, and wait 7 s for each; one that leads and is stopped
 * together with the others tries for as long to hand over (seen with etcd 3.4).
 */
function inTurn(kind: 'start' | 'stop', hosts: readonly string[]): Action[] {
  return hosts.map((host, i) => ({ kind, host, service: 'etcd', ...(i === 0 ? {} : { after: hosts[i - 1] as string }) }));
}

const hostOf = ({ host }: MemberPlace): string => host;

const NAMES = { controllers: 'controller manager and scheduler', apiserver: 'the API servers', etcd: 'etcd' };

/** Starts API servers, one before the others, then the controllers. Clients write from the first on. */
export function startSteps(members: readonly MemberPlace[], { hasAddress }: { hasAddress: boolean }): Step[] {
  const withApi = members.filter(({ services }) => services.includes('apiserver')).map(({ host }) => host);
  const withControllers = members.filter(({ services }) => services.includes('controllers')).map(({ host }) => host);
  const [first, ...others] = withApi;
  if (first === undefined) return [];
  const api = (hosts: readonly string[]): Pick<Step, 'phases' | 'undo'> => ({
    phases: [
      hosts.map((host) => ({ kind: 'start', host, service: 'apiserver' })),
      hosts.map((host) => ({ kind: 'ready', host, service: 'apiserver' })),
    ],
    undo: [hosts.map((host) => ({ kind: 'stop', host, service: 'apiserver' }))],
  });
  return [
    { id: 'start-apiserver', does: `start the API server on ${first}, and wait until it serves`, ...api([first]), opens: true },
    ...(others.length === 0 ? [] : [{ id: 'start-apiservers', does: `start those on ${others.join(', ')}`, ...api(others) }]),
    ...(withControllers.length === 0
      ? []
      : [
          {
            id: 'start-controllers',
            does: `start ${NAMES.controllers}`,
            phases: [withControllers.map((host): Action => ({ kind: 'start', host, service: 'controllers' }))],
            undo: [withControllers.map((host): Action => ({ kind: 'stop', host, service: 'controllers' }))],
          },
        ]),
    ...(hasAddress
      ? [{ id: 'address', does: 'ask the shared address as a client does', phases: [[{ kind: 'address', host: first } as const]] }]
      : []),
  ];
}

function remove(host: string, ...paths: string[]): Action {
  return { kind: 'run', host, argv: removeArgv(...paths), shown: shellLine(['rm', '-rf', ...paths]) };
}

export function move(host: string, { from, to, missing }: { from: string; to: string; missing: 'error' | 'fine' }): Action {
  return { kind: 'run', host, argv: moveArgv(from, to, { missing }), shown: shellLine(['mv', '-T', from, to]) };
}

function lossesOf({ snapshot, liveRevision }: RestoreRequest): string[] {
  const { path, revision, keys, ageText } = snapshot;
  const since =
    liveRevision === undefined
      ? 'The cluster does not answer, so nobody knows how much was written since.'
      : liveRevision > revision
        ? `The cluster is at revision ${liveRevision} now: ${counted(liveRevision - revision, 'change')} since ${liveRevision - revision === 1 ? 'is' : 'are'} lost.`
        : 'The cluster has no newer revision.';
  return [`The data of the whole cluster becomes that of ${path}: revision ${revision}, ${counted(keys, 'key')}, ${ageText}.`, since];
}

function notesOf({ id, members, snapshot, hasQuorum }: RestoreRequest, old: RestoreTool | undefined): string[] {
  const revisions =
    old === undefined
      ? `Revisions go up by ${BUMP}, and all before counts as compacted: who watched before lists anew.`
      : `${old.path} ${old.version} cannot raise the revision (etcdctl 3.4.27 and etcdutl 3.5.10 can): for those who watched before, time goes back, and they may miss changes.`;
  return [
    'Nothing that runs is touched before each host has its new data folder.',
    ...(hasQuorum ? [] : ['etcd has no quorum, so nothing keeps another operation from beginning: see that nobody else works on it.']),
    revisions,
    `The old data stays on each host in ${pathsOf(id).kept(members[0]?.dataDir ?? '')}.`,
    ...(snapshot.alarms.length === 0
      ? []
      : [
          `The snapshot was taken under an alarm (${snapshot.alarms.join(', ')}), which is there again afterwards: docs/guide/etcd.md is the way out.`,
        ]),
    "etcd's own arguments keep the old --initial-cluster-token: with data in its folder it does not read it.",
  ];
}

function afterwardsOf({ id, members }: RestoreRequest, bumps: boolean): string[] {
  return [
    bumps
      ? 'restart kubelets, kube-proxy, the network plugin and other controllers whose logs do not show that they list anew'
      : 'restart every kubelet, kube-proxy, network plugin, controller and operator now: the revision went back, and none of them notices by itself',
    'look for Pods that run and are not in the API any more, stale Nodes and volume attachments; tokens and certificates of then may have ended',
    'take a snapshot: hale etcd snapshot save',
    `when all is well, remove ${pathsOf(id).kept(members[0]?.dataDir ?? '')} on each host`,
  ];
}
