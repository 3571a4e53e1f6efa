/** VRRP by hale, by keepalived, and by both in one group, for `failover`. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { HaleError } from '../src/base/error.ts';
import { goodPriority } from '../src/core/vrrp/priority.ts';
import { agentStatus } from '../src/lab/drill/agents.ts';
import type { Fault } from '../src/lab/faults/effects.ts';
import type { LabHost } from '../src/lab/host.ts';
import { all } from '../src/lab/command.ts';
import type { Lab } from '../src/lab/lab.ts';
import { agentArgv } from '../src/lab/services.ts';
import type { Subject, Suite } from './failover.ts';
import { KEEPALIVED_DAEMONS, startKeepalivedOn } from './keepalived.ts';
import { awaitPeer } from './peer.ts';

/** That of the samples, and of the keepalived of all benches. */
const VIRTUAL_ROUTER_ID = 51;
/** hale's default for the first host. */
const FIRST_PRIORITY = 240;
const INTERVALS_MS = [1000, 100, 10];
const TIMEOUT_MS = 30_000;
const LOOK_AGAIN_MS = 50;

type Program = 'hale' | 'keepalived';

interface Group {
  active: Program;
  backups: Program;
  advertisementIntervalMs: number;
}

const GROUPS: readonly [name: string, Omit<Group, 'advertisementIntervalMs'>][] = [
  ['hale', { active: 'hale', backups: 'hale' }],
  ['keepalived', { active: 'keepalived', backups: 'keepalived' }],
  ['hale before keepalived', { active: 'hale', backups: 'keepalived' }],
  ['keepalived before hale', { active: 'keepalived', backups: 'hale' }],
];

export const VRRP: Suite = {
  title: 'VRRP',
  subjects: INTERVALS_MS.flatMap((advertisementIntervalMs) => [
    ...GROUPS.map(([name, group]) => subject({ name, fault: 'crash', group: { ...group, advertisementIntervalMs } })),
    ...GROUPS.slice(0, 2).map(([name, group]) => subject({ name, fault: 'freeze', group: { ...group, advertisementIntervalMs } })),
    ...GROUPS.slice(0, 1).map(([name, group]) => subject({ name, fault: 'freeze-agent', group: { ...group, advertisementIntervalMs } })),
  ]),
  method: [
    'VRRPv3, virtual router 51, multicast, no preemption; "hale before keepalived": the active is hale, both backups are keepalived. The first host starts alone until it is active, then the two others. ' +
      'hale: `election: vrrp`, `datapath: proxy`, its default priorities. keepalived: the same priorities (240, 215, 190), Debian package with VRRP only, HAProxy as in the documentation of kubeadm in front of the API servers. Both serve at port 8443.',
    'freeze: SIGSTOP to all processes of the active host, whose kernel goes on and answers for what it has. freeze-agent: SIGSTOP to the agent alone.',
    'Overlap: the longest time for which two hosts provably answered at once; one that lasts until the end of the observation has no end here.',
    'By RFC 9568 a backup waits three intervals and a part of one, (256 - priority) / 256, after the last advertisement: 3.16 of them for the second host.',
  ],
};

function subject({ name, fault, group }: { name: string; fault: Fault; group: Group }): Subject {
  const { advertisementIntervalMs } = group;
  return {
    name: `${name} ${advertisementIntervalMs} ms, ${fault}`,
    wanted: '',
    fault,
    lab: {
      services: ['etcd', 'apiserver'],
      datapath: 'proxy',
      settings: { election: 'vrrp', vrrp: { virtualRouterId: VIRTUAL_ROUTER_ID, preempt: false, advertisementIntervalMs } },
    },
    settle: (lab) => startGroup(lab, group),
  };
}

/** Starts the active on the first host, then the backups; returns the first host when it is active and the others are ready to follow. */
async function startGroup(lab: Lab, group: Group): Promise<LabHost> {
  const [first, ...others] = lab.controlPlane as [LabHost, ...LabHost[]];
  const name = `${group.active} with ${group.backups} beside`;
  await start(lab, { host: first, program: group.active, group });
  await awaitPeer(lab, { name, daemons: (host) => (host === first ? daemonsOf(group.active) : []) });
  await all(others.map((host) => start(lab, { host, program: group.backups, group })));
  await all(others.map((host) => awaitBackup(host, { program: group.backups, active: first })));
  return await awaitPeer(lab, { name, daemons: (host) => daemonsOf(host === first ? group.active : group.backups) });
}

function daemonsOf(program: Program): readonly string[] {
  return program === 'hale' ? ['agent'] : KEEPALIVED_DAEMONS;
}

async function start(lab: Lab, { host, program, group }: { host: LabHost; program: Program; group: Group }): Promise<void> {
  if (program === 'hale') return await host.spawn('agent', agentArgv());
  const hosts = lab.controlPlane.length;
  const priority = goodPriority({ first: FIRST_PRIORITY, index: lab.controlPlane.indexOf(host), hosts });
  await startKeepalivedOn(lab, { host, version: 3, advertInterval: group.advertisementIntervalMs / 1000, priority });
}

async function awaitBackup(host: LabHost, { program, active }: { program: Program; active: LabHost }): Promise<void> {
  const isReady = program === 'hale' ? () => haleFollows(host, active) : async () => keepalivedFollows(host);
  const untilMs = performance.now() + TIMEOUT_MS;
  while (!(await isReady())) {
    if (performance.now() > untilMs) {
      const message = `${program} on ${host.name} was not ready to follow ${active.name} after ${TIMEOUT_MS / 1000} s`;
      throw new HaleError({ code: 'bench_peer_not_ready', kind: 'world', message });
    }
    await sleep(LOOK_AGAIN_MS);
  }
}

async function haleFollows(host: LabHost, active: LabHost): Promise<boolean> {
  const status = await agentStatus(host);
  const heard = status?.vrrp?.active?.address;
  return heard !== undefined && active.addresses.includes(heard) && status?.backends.every(({ state }) => state === 'ready') === true;
}

/** keepalived has no other word for it. */
function keepalivedFollows(host: LabHost): boolean {
  const log = join(host.folder, 'log/keepalived.log');
  return existsSync(log) && readFileSync(log, 'utf8').includes('Entering BACKUP STATE');
}
