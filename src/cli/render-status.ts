import { styleText } from 'node:util';
import { hostPort } from '../base/address.ts';
import { isAlarm } from '../core/etcd/alarms.ts';
import type { EtcdEndpointStatus } from '../core/etcd/rows.ts';
import type { ControlPlaneStatus } from '../drivers/kubernetes/control-plane.ts';
import type { AgentStatus, NodeStatus } from '../ports/control.ts';
import { renderControlPlane } from './render-control-plane.ts';
import { table } from './table.ts';

export interface Status extends AgentStatus {
  etcd: EtcdEndpointStatus[];
  /** Alarms of etcd, each in a sentence with the way out. */
  etcdAlarms: string[];
  /** What is wrong with the newest snapshot of etcd, in a sentence. */
  snapshot: string | null;
  controlPlane: ControlPlaneStatus;
  /** What is wrong with this host's certificates, each in a sentence. */
  certificates: string[];
  /** All that somebody should see to, each in a sentence. */
  findings: string[];
}

export function isNode(status: AgentStatus | NodeStatus): status is NodeStatus {
  return status.role === 'node';
}

/** The status of a node as a person reads it. */
export function renderNodeStatus(status: NodeStatus): string {
  const { cluster, host, endpoint, steeredTo, problem, connections } = status;
  const goTo =
    steeredTo.length === 0
      ? styleText('yellow', 'are left to the address: no API server is ready')
      : `go straight to ${steeredTo.join(', ')}`;
  const lines = [`cluster     ${cluster}`, `address     ${placesOf(endpoint)}`, `here        ${host}: node`];
  lines.push(`connections ${problem === null ? goTo : styleText('red', problem)}; ${connections} open`);
  return `${lines.join('\n')}\n\n${backendsTable(status)}`;
}

function placesOf({ addresses, port }: NodeStatus['endpoint']): string {
  return addresses.map((address) => hostPort(address, port)).join(', ');
}

/** The status as a person reads it. */
export function renderStatus(status: Status): string {
  const tables = [membersTable(status), backendsTable(status), renderControlPlane(status.controlPlane), etcdTable(status)];
  return [summary(status), ...tables, renderFindings(status)].join('\n');
}

/** Last, where the eye is. */
function renderFindings({ findings }: Status): string {
  if (findings.length === 0) return 'nothing is wrong\n';
  return findings.map((text) => `${styleText('red', 'finding')}  ${text}\n`).join('');
}

function summary(status: Status): string {
  const { endpoint } = status;
  const holder =
    status.holder === null
      ? styleText('red', 'nobody, as far as this agent knows')
      : `${styleText('green', status.holder)}, term ${status.term}, lease ends in ${status.leaseRemainingMs} ms unless renewed`;
  const lines = [`cluster  ${status.cluster}`, `address  ${placesOf(endpoint)} on ${endpoint.interface}`, `holder   ${holder}`];
  lines.push(`here     ${status.host}: ${status.role}${status.whyNotHolding === null ? '' : `, ${status.whyNotHolding}`}`);
  const how = endpoint.enforced ? 'the kernel ends the lease by itself' : 'only the agent ends the lease';
  lines.push(`lease    ${status.leaseMs} ms (profile ${status.profile}); ${how}; real-time scheduling ${status.realtime ? 'on' : 'off'}`);
  if (status.record !== null) lines.push(`record   ${recordLine(status.record, status.host)}`);
  lines.push(`datapath ${status.datapath.datapath} (${status.datapath.because}); ${status.connections} connections`);
  if (status.steeredTo !== null && status.steeredTo.length > 0)
    lines.push(`sockets  processes on this host are connected straight to ${status.steeredTo.join(', ')}`);
  if (endpoint.weaker !== null) lines.push(`weaker   ${endpoint.weaker}`);
  const unguarded = styleText('yellow', 'none: should the agent die, the address moves only when its lease has ended');
  lines.push(`guardian ${status.guarded ? 'stands by' : unguarded}`);
  if (endpoint.conflict !== null) lines.push(styleText('red', `conflict ${endpoint.conflict}`));
  return `${lines.join('\n')}\n`;
}

function recordLine({ name, owner, owned, changedMsAgo, problem }: NonNullable<Status['record']>, host: string): string {
  if (changedMsAgo === null) return styleText('yellow', `${name}: ${problem ?? 'not read yet'}`);
  const who = owned ? `${styleText('green', host)} owns` : owner === null ? `${styleText('red', 'nobody')} owns` : `${owner} owns`;
  const when = `changed ${Math.round(changedMsAgo / 1000)} s ago`;
  return `${who} ${name}, ${when}${problem === null ? '' : `; ${styleText('red', problem)}`}`;
}

function membersTable(status: Status): string {
  const rows = status.members.map((member) => [
    member.name,
    member.address,
    member.name === status.host ? 'this one' : member.heardMsAgo === null ? 'never heard' : `heard ${member.heardMsAgo} ms ago`,
    member.alive ? (member.fitness ?? '-') : 'silent',
    member.hears.join(' '),
    member.readyBackends.join(' '),
  ]);
  return table(['MEMBER', 'ADDRESS', 'SEEN', 'FITNESS', 'HEARS', 'READY FOR IT'], rows);
}

function backendsTable(status: Pick<AgentStatus, 'backends'>): string {
  const rows = status.backends.map((b) => [b.name, b.address, b.state, `${Math.round(b.sinceMs / 1000)} s`, b.reason]);
  return table(['BACKEND', 'ADDRESS', 'STATE', 'SINCE', 'REASON'], rows);
}

function etcdTable(status: Status): string {
  const rows = status.etcd.map(({ endpoint, member, isLeader, lag, problem }) => [
    endpoint,
    member?.memberId ?? '-',
    member === undefined ? '-' : isLeader ? 'leader' : member.isLearner ? 'learner' : 'follower',
    member?.version ?? '-',
    lag === null ? '-' : `${lag} entries`,
    problem ?? member?.errors.filter((error) => !isAlarm(error)).join('; ') ?? '',
  ]);
  return table(['ETCD', 'MEMBER', 'ROLE', 'VERSION', 'LAG', 'PROBLEM'], rows);
}
