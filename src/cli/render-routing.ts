import { styleText } from 'node:util';
import type { AgentStatus, BgpPeerView, RoutesStatus, VrrpStatus } from '../ports/control.ts';
import { table } from './table.ts';

const seconds = (ms: number): string => `${Math.round(ms / 1000)} s`;

/** The virtual router as a person reads it. */
export function renderVrrp({ host }: AgentStatus, vrrp: VrrpStatus): string {
  const { version, virtualRouterId, state, sinceMs, priority, active, activeDownIntervalMs } = vrrp;
  const shown = state === 'active' ? styleText('green', state) : state;
  const known =
    active === null
      ? styleText('red', 'nobody is heard')
      : `${active.host ?? active.address}${active.host === null ? '' : ` (${active.address})`}, priority ${active.priority}, heard ${active.heardMsAgo} ms ago`;
  const lines = [
    `virtual router  ${virtualRouterId}, version ${version}`,
    `here            ${host}: ${shown} for ${seconds(sinceMs)}, priority ${priority}`,
    ...(state === 'active' ? [] : [`active          ${known}`]),
    `timers          advertisement interval ${vrrp.advertisementIntervalMs} ms${activeDownIntervalMs === null ? '' : `, active down interval ${Math.round(activeDownIntervalMs)} ms`}`,
    ...vrrp.links.map(({ family, source, destinations }) => `${family}            ${source} to ${destinations.join(', ')}`),
    `last error      ${vrrp.lastError ?? 'none'}`,
  ];
  const counters = Object.entries(vrrp.counters).flatMap(([name, count]) => (count === 0 ? [] : [[name, String(count)]]));
  const warnings = vrrp.warnings.map(({ text, agoMs }) => `${styleText('yellow', 'warning')}  ${text} (${seconds(agoMs)} ago)\n`);
  return `${lines.join('\n')}\n\n${table(['COUNTER', 'VALUE'], counters)}${warnings.length === 0 ? '' : `\n${warnings.join('')}`}`;
}

/** The routers, and what they have been told, as a person reads it. */
export function renderRoutes({ host }: AgentStatus, routes: RoutesStatus): string {
  const { by, prefixes, wanted, problem, peers } = routes;
  const colour = wanted === 'announced' ? 'green' : 'yellow';
  const lines = [`routes   ${prefixes.join(', ')}`, `here     ${host}: ${styleText(colour, wanted)} by ${by === 'bgp' ? 'hale' : by}`];
  if (problem !== null) lines.push(styleText('red', `problem  ${problem}`));
  return `${lines.join('\n')}\n${peers.length === 0 ? '' : `\n${peersTable(peers)}`}`;
}

function peersTable(peers: readonly BgpPeerView[]): string {
  const rows = peers.map((peer) => [
    peer.address,
    String(peer.asn),
    peer.state,
    seconds(peer.sinceMs),
    peer.holdTimeMs === null ? '-' : `${peer.holdTimeMs / 1000}/${(peer.keepaliveMs ?? 0) / 1000} s`,
    [...peer.announced, ...peer.unannounced.map(({ prefix, reason }) => `not ${prefix}: ${reason}`)].join(', ') || '-',
    peer.bfd === null
      ? '-'
      : peer.bfd.detectionTimeMs === null
        ? peer.bfd.state
        : `${peer.bfd.state}, ${Math.round(peer.bfd.detectionTimeMs)} ms`,
    peer.lastError ?? '-',
  ]);
  return table(['NEIGHBOUR', 'AS', 'STATE', 'SINCE', 'HOLD/KEEPALIVE', 'ROUTES', 'BFD', 'LAST ERROR'], rows);
}
