/** The chain of detections and time-outs, from a failure to its last consequence, as it follows from what was found. */
import { healthProfiles } from '../../balancer/timing.ts';
import { readCluster } from '../../cluster/read.ts';
import type { Cluster } from '../../cluster/schema.ts';
import { timingProfiles } from '../../lease/timing.ts';
import { runsAgent } from '../../render/hale/part.ts';
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

function agentLinks({ agent: { profile } }: Cluster, document: YamlDocument): Link[] {
  const lease = timingProfiles[profile];
  const health = healthProfiles[profile];
  const at = document.span(['agent', 'profile']);
  return [
    {
      stage: 'address-by-crash',
      fromMs: lease.leaseMs - lease.renewMs,
      toMs: lease.leaseMs + lease.staggerMs + lease.roundTimeoutMs,
      how: `profile ${profile}: lease ${durationText(lease.leaseMs)} + ${durationText(lease.staggerMs + lease.roundTimeoutMs)} to stand`,
      at,
      who: 'hale',
    },
    {
      stage: 'backend-detected',
      fromMs: 0,
      toMs: health.fall * health.intervalMs + health.timeoutMs,
      how: `profile ${profile}: refused counts at once, else ${health.fall} × ${durationText(health.intervalMs)}`,
      at,
      who: 'hale',
    },
  ];
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
