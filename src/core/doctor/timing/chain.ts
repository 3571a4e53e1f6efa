/** The chain of detections and time-outs, from a failure to its last consequence, as it follows from what was found. */
import { healthProfiles } from '../../balancer/timing.ts';
import { readCluster } from '../../cluster/read.ts';
import type { Cluster } from '../../cluster/schema.ts';
import { timingProfiles } from '../../lease/timing.ts';
import { runsAgent } from '../../render/hale/part.ts';
import { goodPriority } from '../../vrrp/priority.ts';
import { activeDownIntervalMs } from '../../vrrp/timing.ts';
import type { Facts } from '../facts.ts';
import { clusterMinor } from '../look/documents.ts';
import type { YamlDocument } from '../read/yaml.ts';
import { haproxyLinks } from './haproxy.ts';
import { keepalivedLinks } from './keepalived.ts';
import { durationText, type Link, STAGES, type Stage } from './link.ts';
import { eviction, notReady, programLinks } from './programs.ts';

/** Every link, in the order of the stages; where nothing was found for a stage of Kubernetes itself, with its default. */
export function timingChain(facts: Facts): Link[] {
  const found = [...facts.documents.flatMap(haleLinks), ...haproxyLinks(facts), ...keepalivedLinks(facts), ...programLinks(facts.programs)];
  const has = (stage: Stage) => found.some((link) => link.stage === stage);
  const assumed = defaults(facts).filter(({ stage }) => !has(stage));
  const order = Object.keys(STAGES);
  return [...found, ...assumed].sort((a, b) => order.indexOf(a.stage) - order.indexOf(b.stage) || a.fromMs - b.fromMs);
}

/** hale's own, from cluster.yaml. */
function haleLinks(document: YamlDocument): Link[] {
  if (!document.apiVersion.startsWith('hale.dev/')) return [];
  const read = readCluster(document.file.text, document.file.path);
  return read.ok && runsAgent(read.cluster) ? agentLinks(read.cluster, document) : [];
}

function agentLinks(cluster: Cluster, document: YamlDocument): Link[] {
  const { profile } = cluster.agent;
  const health = healthProfiles[profile];
  return [
    ...crash(cluster).map(({ key, ...link }): Link => ({ ...link, stage: 'address-by-crash', at: document.span(key), who: 'hale' })),
    {
      stage: 'backend-detected',
      fromMs: 0,
      toMs: health.fall * health.intervalMs + health.timeoutMs,
      how: `profile ${profile}: refused counts at once, else ${health.fall} × ${durationText(health.intervalMs)}`,
      at: document.span(['agent', 'profile']),
      who: 'hale',
    },
  ];
}

type Crash = Pick<Link, 'fromMs' | 'toMs' | 'how'> & { key: string[] };

/** Until others have the address of a host that crashed. When a routing daemon of the host notices is its own matter. */
function crash(cluster: Cluster): Crash[] {
  const { advertise, election, agent } = cluster;
  if (advertise === 'bgp') return [bgpCrash(cluster)];
  if (advertise !== 'arp') return [];
  if (election === 'vrrp') return [vrrpCrash(cluster)];
  const { leaseMs, renewMs, staggerMs, roundTimeoutMs } = timingProfiles[agent.profile];
  return [
    {
      fromMs: leaseMs - renewMs,
      toMs: leaseMs + staggerMs + roundTimeoutMs,
      how: `profile ${agent.profile}: lease ${durationText(leaseMs)} + ${durationText(staggerMs + roundTimeoutMs)} to stand`,
      key: ['agent', 'profile'],
    },
  ];
}

/** The next host is the second one, which waits longer than the first. */
function vrrpCrash({ vrrp, controlPlane }: Cluster): Crash {
  const { version, advertisementIntervalMs: intervalMs, priority: first } = vrrp;
  const hosts = controlPlane.hosts.length;
  const priority = goodPriority({ first, index: Math.min(1, hosts - 1), hosts });
  const downMs = activeDownIntervalMs({ version, priority, activeAdverIntervalMs: intervalMs });
  const how = `3 × ${durationText(intervalMs)} + skew of priority ${priority}`;
  return { fromMs: downMs - intervalMs, toMs: downMs, how, key: ['vrrp'] };
}

/** The slowest router counts. */
function bgpCrash({ bgp }: Cluster): Crash {
  const { intervalMs, multiplier } = bgp.bfd;
  if (bgp.peers.every(({ bfd }) => bfd)) {
    const toMs = intervalMs * multiplier;
    return { fromMs: toMs - intervalMs, toMs, how: `BFD ${multiplier} × ${durationText(intervalMs)}`, key: ['bgp', 'bfd'] };
  }
  const toMs = bgp.holdTimeSeconds * 1000;
  return { fromMs: (toMs * 2) / 3, toMs, how: `hold time ${durationText(toMs)}, a keepalive every third of it`, key: ['bgp'] };
}

/** HTTP/2 in client-go: a ping after 30 s of silence, 15 s for its answer (HTTP2_READ_IDLE_TIMEOUT_SECONDS, HTTP2_PING_TIMEOUT_SECONDS). */
const CLIENT_IDLE_MS = 30_000;
const CLIENT_PING_MS = 15_000;

function defaults(facts: Facts): Link[] {
  const base = { at: undefined, who: 'default' };
  const minor = clusterMinor(facts);
  // Raised from 40 s, because clients take 45 s to notice (kubernetes PR 126287).
  const graceMs = minor !== undefined && minor < 32 ? 40_000 : 50_000;
  return [
    { ...base, stage: 'controllers-moved', fromMs: 13_000, toMs: 17_000, how: 'lease 15 s ± retry 2 s' },
    {
      ...base,
      stage: 'client-notices',
      fromMs: CLIENT_PING_MS,
      toMs: CLIENT_IDLE_MS + CLIENT_PING_MS,
      how: 'HTTP/2 ping after 30 s, 15 s for its answer',
    },
    { ...base, ...notReady(graceMs), who: minor === undefined ? 'default' : `default of 1.${minor}` },
    { ...base, ...eviction(300_000) },
  ];
}
