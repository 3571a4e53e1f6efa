import { isAlarm } from '../core/etcd/alarms.ts';
import type { Status } from './render-status.ts';

type Known = Omit<Status, 'findings'>;

/** All that somebody should see to, each in a sentence. What cannot be known for want of credentials is none. */
export function statusFindings(status: Known): string[] {
  return [
    ...addressFindings(status),
    ...memberFindings(status),
    ...apiserverFindings(status),
    ...etcdFindings(status),
    ...status.etcdAlarms.map((text) => `etcd ${text}`),
    ...(status.snapshot === null ? [] : [status.snapshot]),
    ...status.certificates.map((text) => `certificate ${text}`),
  ];
}

function addressFindings({ holder, whyNotHolding, endpoint, record, vrrp, routes }: Known): string[] {
  const found: string[] = [...(vrrp?.warnings.map(({ text }) => `VRRP: ${text}`) ?? []), ...routeFindings(routes)];
  // With VRRP it may be another router's.
  const isElsewhere = vrrp !== null && vrrp.active !== null;
  if (holder === null && !isElsewhere && routes === null)
    found.push(`nobody holds the address, as far as this agent knows: ${whyNotHolding ?? 'not even this host'}`);
  if (endpoint.conflict !== null) found.push(`the address: ${endpoint.conflict}`);
  if (record !== null && record.problem !== null) found.push(`${record.name} cannot be read or written: ${record.problem}`);
  return found;
}

function routeFindings(routes: Known['routes']): string[] {
  if (routes === null) return [];
  const problem = routes.problem === null ? [] : [`the route to the address: ${routes.problem}`];
  const down = routes.peers.filter(({ state }) => state !== 'Established');
  return [...problem, ...down.map(({ address, state, lastError }) => `BGP with ${address} is ${state}: ${lastError ?? 'no error yet'}`)];
}

function memberFindings({ members }: Known): string[] {
  return members.flatMap(({ name, alive }) => (alive ? [] : [`the agent of ${name} is not heard`]));
}

/** Each API server once: in its own words, or else as this agent's probes see it. */
function apiserverFindings({ controlPlane: { apiservers, leaders }, backends }: Known): string[] {
  const unready = apiservers.flatMap(({ name, ready, failing, problem }) => {
    if (ready === true) return [];
    const why = problem ?? failing.map(({ check }) => check).join(', ');
    return [{ name, text: `API server ${name} ${ready === null ? 'gives no answer' : 'is not ready'}: ${why}` }];
  });
  const avoided = backends
    .filter(({ name, state }) => state !== 'ready' && !unready.some((one) => one.name === name))
    .map(({ name, state, reason }) => `API server ${name} gets no new connections from this host, for which it is ${state}: ${reason}`);
  const leaderless = leaders.flatMap(({ component, holder, stale }) => {
    if (holder === null) return [`nobody leads ${component}`];
    return stale ? [`${holder} leads ${component}, but has not said so for too long`] : [];
  });
  return [...unready.map(({ text }) => text), ...avoided, ...leaderless];
}

function etcdFindings({ etcd }: Known): string[] {
  return etcd.flatMap(({ endpoint, member, problem, asked }) => {
    if (!asked) return [];
    if (member === undefined) return [`etcd at ${endpoint} gives no answer: ${problem ?? 'for no known reason'}`];
    const errors = member.errors.filter((error) => !isAlarm(error));
    if (errors.length > 0) return errors.map((error) => `etcd at ${endpoint} says: ${error.trim()}`);
    return member.leaderId === undefined ? [`etcd at ${endpoint} knows no leader: most of its members are not there`] : [];
  });
}
