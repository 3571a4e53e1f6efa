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
  const lines = [`cluster  ${status.cluster}`, `address  ${placesOf(endpoint)} on ${endpoint.interface}`, ...decisionLines(status)];
  if (status.record !== null) lines.push(`record   ${recordLine(status.record, status.host)}`);
  lines.push(`datapath ${status.datapath.datapath} (${status.datapath.because}); ${status.connections} connections`);
  if (status.steeredTo !== null && status.steeredTo.length > 0)
    lines.push(`sockets  processes on this host are connected straight to ${status.steeredTo.join(', ')}`);
  if (endpoint.weaker !== null) lines.push(`weaker   ${endpoint.weaker}`);
  const unguarded = styleText('yellow', 'none: should the agent die, the address moves only when its lease has ended');
  if (status.routes === null) lines.push(`guardian ${status.guarded ? 'stands by' : unguarded}`);
  if (endpoint.conflict !== null) lines.push(styleText('red', `conflict ${endpoint.conflict}`));
  return `${lines.join('\n')}\n`;
}

/** Who answers for the address, and what decides that. */
function decisionLines(status: Status): string[] {
  const { holder, role, whyNotHolding, vrrp, routes, endpoint, realtime } = status;
  const why = whyNotHolding === null ? '' : `, ${whyNotHolding}`;
  const scheduling = `real-time scheduling ${realtime ? 'on' : 'off'}`;
  if (routes !== null) {
    const sessions = routes.peers.filter(({ state }) => state === 'Established').length;
    const how = routes.by === 'bgp' ? `${sessions} of ${routes.peers.length} sessions with routers established` : `by ${routes.by}`;
    return [
      `here     ${status.host}: ${role === 'holder' ? styleText('green', `serves it, route ${routes.wanted}`) : `does not serve it${why}`}`,
      `routes   ${how}${routes.problem === null ? '' : `; ${styleText('red', routes.problem)}`}; ${scheduling}`,
    ];
  }
  const how = endpoint.enforced ? 'the kernel ends the lease by itself' : 'only the agent ends the lease';
  const nobody = styleText('red', 'nobody, as far as this agent knows');
  const here = `here     ${status.host}: ${role}${why}`;
  if (vrrp !== null) {
    const outside = vrrp.active === null ? nobody : `${vrrp.active.address}, which is no member, by VRRP`;
    return [
      `holder   ${holder === null ? outside : `${styleText('green', holder)}, by VRRP`}`,
      here,
      `vrrp     virtual router ${vrrp.virtualRouterId}, priority ${vrrp.priority}, ${vrrp.state}; ${how}; ${scheduling}`,
    ];
  }
  const lease = `term ${status.term}, lease ends in ${status.leaseRemainingMs} ms unless renewed`;
  return [
    `holder   ${holder === null ? nobody : `${styleText('green', holder)}, ${lease}`}`,
    here,
    `lease    ${status.leaseMs} ms (profile ${status.profile}); ${how}; ${scheduling}`,
  ];
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
