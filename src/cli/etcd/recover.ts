import { Command } from 'commander';
import { HaleError } from '../../base/error.ts';
import type { DataFolder } from '../../core/etcd/data-folder/data-folder.ts';
import type { HostFacts } from '../../core/etcd/rebuild/host-script.ts';
import { quorumText } from '../../core/etcd/quorum.ts';
import { planRecover, type RecoverMember } from '../../core/etcd/rebuild/recover-plan.ts';
import type { MemberPlace } from '../../core/etcd/rebuild/restore-plan.ts';
import type { Operation } from '../../core/etcd/rebuild/step.ts';
import type { EtcdView } from '../../core/etcd/view.ts';
import { haleOnHost, statusOnHost } from '../../engine/etcd/on-host.ts';
import { hasAgents, labHosts, labMembers, labToolFolders } from '../../lab/etcd-hosts.ts';
import type { Lab } from '../../lab/lab.ts';
import type { Host } from '../../ports/host.ts';
import { lookAtHost } from './hosts-look.ts';
import { lostOption, type OperationOptions, runOperation } from './host-operation.ts';

/** `hale etcd recover`: a new cluster from the member that got furthest, when the quorum is lost for good. */
export function etcdRecoverCommand(): Command {
  return new Command('recover')
    .description(
      'when the quorum is lost for good, make a new cluster from the member that got furthest; shows the plan first, may be resumed and rolled back',
    )
    .requiredOption('--lab <name>', 'lab whose hosts are recovered; other hosts by hand, see docs/guide/disaster-recovery.md')
    .addOption(
      lostOption(
        'members that are lost for good, separated by commas: a host that is off and never starts etcd with its old data again, or data that etcd cannot use',
      ),
    )
    .option('--resume', 'go on with a recovery that was interrupted')
    .option('--rollback', 'put back what a recovery that was interrupted did')
    .option('--dry-run', 'only show what would be done')
    .option('--yes', 'do not ask')
    .option('--json', 'print one JSON document')
    .action(async (options: OperationOptions, command: Command) => {
      if (options.resume && options.rollback) command.error('error: choose one of --resume and --rollback.');
      await runOperation({ kind: 'recover', options, plan: (lab, id) => planOf(lab, { id, lost: options.lost ?? [] }) });
    });
}

async function planOf(lab: Lab, { id, lost }: { id: string; lost: readonly string[] }): Promise<Operation> {
  const places = labMembers(lab);
  const unknown = lost.find((name) => !places.some(({ host }) => host === name));
  if (unknown !== undefined) throw unknownHost(unknown, places);
  const seen = await Promise.all(labHosts(lab).map((host, i) => lookAt(host, { place: places[i] as MemberPlace, lab })));
  const unreachable = seen.flatMap((each) => ('problem' in each && !lost.includes(each.name) ? each : []));
  if (unreachable.length > 0) throw unreachableHosts(unreachable);
  const reached = seen.flatMap((each) => ('problem' in each ? [] : each));
  const whole = reached.find(({ view }) => view.members.length > 0 && view.quorum.canLose >= 0);
  if (whole !== undefined) throw quorumThere(whole.view);
  const members = reached.map(
    (each): RecoverMember => (lost.includes(each.member.host) ? { ...each.member, data: undefined } : each.member),
  );
  const gone = seen.flatMap((each) => ('problem' in each ? each.name : []));
  return planRecover({ id, where: `lab ${lab.plan.name}`, members, gone, hasAddress: hasAgents(lab) });
}

type Seen = { name: string; problem: string } | { member: RecoverMember; view: EtcdView };

/** A host that is reached and does not tell how etcd is fails the whole: its etcd may be one of a quorum. */
async function lookAt(host: Host, { place, lab }: { place: MemberPlace; lab: Lab }): Promise<Seen> {
  let facts: HostFacts;
  try {
    facts = await lookAtHost(host, { ...place, toolFolders: labToolFolders(lab) });
  } catch (error) {
    return { name: host.name, problem: (error as Error).message };
  }
  const { availableBytes, usedBytes } = facts;
  const view = await statusOnHost({ host });
  const data = await haleOnHost<DataFolder>({ host }, ['etcd', 'data', place.dataDir]).catch(() => undefined);
  const status = view.members.find(({ peerUrls }) => peerUrls.includes(place.peerUrl))?.status ?? undefined;
  const live = status && { raftIndex: status.raftIndex, revision: status.revision };
  return { member: { ...place, availableBytes, usedBytes, data, live }, view };
}

function unknownHost(name: string, places: readonly MemberPlace[]): HaleError {
  return new HaleError({
    code: 'etcd_host_unknown',
    kind: 'usage',
    message: `--lost names ${JSON.stringify(name)}, which is no control-plane host`,
    remedy: `hosts: ${places.map(({ host }) => host).join(', ')}`,
  });
}

function unreachableHosts(hosts: readonly { name: string; problem: string }[]): HaleError {
  const names = hosts.map(({ name }) => name).join(',');
  return new HaleError({
    code: 'etcd_hosts_unreachable',
    kind: 'world',
    message: `hale cannot keep etcd from starting where it cannot reach the host: ${hosts.map(({ problem }) => problem).join('; ')}`,
    remedy: `switch them on; or, when they never start etcd with their old data again, say so with --lost ${names}`,
  });
}

function quorumThere({ quorum }: EtcdView): HaleError {
  return new HaleError({
    code: 'etcd_quorum_there',
    kind: 'usage',
    message: `etcd has a quorum: ${quorumText(quorum)}`,
    remedy: 'replace the members that are dead: hale etcd member replace',
  });
}
