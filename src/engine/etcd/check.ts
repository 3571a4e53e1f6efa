import { HaleError } from '../../base/error.ts';
import { alarmsOf } from '../../core/etcd/alarms.ts';
import type { EtcdCertificate } from '../../core/etcd/certificate.ts';
import type { CheckFacts } from '../../core/etcd/check/check.ts';
import type { EtcdObservation, EtcdPeerEnd } from '../../core/etcd/status/observation.ts';
import type { EtcdMemberView, EtcdView } from '../../core/etcd/view.ts';
import type { ZonedHost } from '../../core/etcd/zones.ts';
import type { Clock } from '../../ports/clock.ts';
import type { EtcdAdmin } from '../../ports/etcd-admin.ts';
import type { EtcdObserver } from '../../ports/etcd-observer.ts';
import type { EtcdStopSignal } from '../../ports/etcd.ts';
import { compareHashes } from './hashes.ts';
import { measureLatency } from './latency.ts';
import { type EtcdLook, observeAgain, observeEtcd } from './look.ts';
import { newestSnapshot } from './newest-snapshot.ts';
import { scanValues } from './values.ts';

const SCAN_LONGEST_MS = 60_000;
/** With the database so near to its quota a load could fill it. */
const QUOTA_FULL = 0.95;

export interface CheckOptions {
  etcd: EtcdAdmin & EtcdObserver;
  /** Another client, for what takes long. */
  patient: EtcdAdmin;
  /** Makes a client of one member. */
  clientAt: (url: string) => EtcdAdmin;
  urls: readonly string[];
  hosts: readonly ZonedHost[];
  clock: Clock;
  timeoutMs: number;
  /** Undefined: no load. */
  latencyPrefix: string | undefined;
  /** 0: values are not read. */
  scanBytes: number;
  signal: EtcdStopSignal;
  onStep: (text: string) => void;
  onProgress: (text: string) => void;
}

/** Finds out all that a check judges. Never fails for the state of the cluster; HaleError `etcd_check_stopped` when `signal` stopped it, with everything cleaned up. */
export async function gatherCheck(options: CheckOptions): Promise<CheckFacts> {
  const { etcd, signal, onStep } = options;
  const go = (text: string) => {
    if (signal.aborted) throw stopped();
    onStep(text);
  };
  go('asking every member');
  const first = await observeEtcd(options);
  const { view } = first;
  const peers = lookAtPeers(view, etcd);
  const shown = shownCertificates(first, etcd);
  go('comparing the hash of all keys');
  const hashes = await compareHashes({ ...options, view });
  const snapshot = await snapshotOf(etcd);
  go('reading values');
  const values = await valuesOf(view, options);
  go('timing writes');
  const latency = await latencyOf(first, options);
  if (signal.aborted) throw stopped();
  // Once more, so that the disk is judged by the load, and clocks by two readings.
  const second = 'skipped' in latency ? new Map<string, EtcdObservation>() : await observeAgain(etcd, view);
  return {
    view,
    observations: observationsOf(first, second),
    unobserved: new Map([...first.observed].flatMap(([id, { problem }]) => (problem === undefined ? [] : [[id, problem] as const]))),
    shownCertificates: await shown,
    hashes,
    latency,
    values,
    snapshot,
    peerEnds: await peers,
    ownCertificate: etcd.ownCertificate(),
    hosts: options.hosts,
  };
}

function stopped(): HaleError {
  return new HaleError({
    code: 'etcd_check_stopped',
    kind: 'world',
    message: 'the check was stopped; what it wrote is deleted',
    remedy: 'run it again',
  });
}

function observationsOf({ view, observed }: EtcdLook, second: ReadonlyMap<string, EtcdObservation>): Map<string, EtcdObservation[]> {
  return new Map(view.members.map(({ id }) => [id, [observed.get(id)?.observation ?? [], second.get(id) ?? []].flat()]));
}

async function lookAtPeers({ members }: EtcdView, etcd: EtcdObserver): Promise<Map<string, EtcdPeerEnd>> {
  const urls = [...new Set(members.flatMap(({ peerUrls }) => peerUrls))];
  return new Map(await Promise.all(urls.map(async (url) => [url, await etcd.lookAtPeer(url)] as const)));
}

/** Of members that were not observed: those without metrics, and those that perhaps show a certificate that is not accepted, such as one that has expired. */
async function shownCertificates({ view: { members }, observed }: EtcdLook, etcd: EtcdObserver): Promise<Map<string, EtcdCertificate>> {
  const unseen = members.filter(({ id, url }) => observed.get(id)?.observation === undefined && url?.startsWith('https://'));
  const seen = await Promise.all(unseen.map(async ({ id, url }) => [id, (await etcd.lookAtPeer(url as string)).certificate] as const));
  return new Map(seen.flatMap(([id, certificate]) => (certificate === null ? [] : [[id, certificate] as const])));
}

async function valuesOf({ members }: EtcdView, options: CheckOptions): Promise<CheckFacts['values']> {
  if (options.scanBytes === 0) return { skipped: 'as was asked for' };
  const able = members.filter(({ status, isLearner }) => status !== null && !isLearner);
  const url = (able.find(({ isLeader }) => !isLeader) ?? able[0])?.url;
  if (url === undefined || url === null) return { skipped: 'no member answers' };
  const { clock, signal, onProgress, scanBytes: limitBytes } = options;
  return await withClient(options, url, async (etcd) =>
    scanValues({ etcd, limitBytes, clock, longestMs: SCAN_LONGEST_MS, signal, onProgress }),
  );
}

async function snapshotOf(etcd: EtcdAdmin): Promise<CheckFacts['snapshot']> {
  try {
    return { record: await newestSnapshot(etcd) };
  } catch (error) {
    return { skipped: error instanceof HaleError ? error.message : String(error) };
  }
}

async function latencyOf(look: EtcdLook, options: CheckOptions): Promise<CheckFacts['latency']> {
  const { view } = look;
  const { latencyPrefix: prefix, clock, signal, onProgress } = options;
  if (prefix === undefined) return { skipped: 'as was asked for' };
  const why = whyNoLoad(look);
  const url = view.leader?.url;
  if (why !== undefined || url === undefined || url === null) return { skipped: why ?? 'the leader gives no answer' };
  return await withClient(options, url, async (etcd) => measureLatency({ etcd, clock, prefix, signal, onProgress }));
}

/** Runs `work` with a client of one member; what goes wrong there is told, and stops nothing. */
async function withClient<T>(
  { clientAt }: CheckOptions,
  url: string,
  work: (etcd: EtcdAdmin) => Promise<T>,
): Promise<T | { skipped: string }> {
  const etcd = clientAt(url);
  try {
    return await work(etcd);
  } catch (error) {
    return { skipped: error instanceof HaleError ? error.message : String(error) };
  } finally {
    etcd.close();
  }
}

function whyNoLoad({ view, observed }: EtcdLook): string | undefined {
  const { members, quorum } = view;
  if (quorum.canLose < 0) return 'there is no quorum to write with';
  const [alarm] = alarmsOf(members.flatMap(({ status }) => status ?? []));
  if (alarm !== undefined) return `the alarm ${alarm.alarm} is raised`;
  const full = members.find((member) => isFull(member, observed.get(member.id)?.observation));
  return full === undefined ? undefined : `the database of ${full.name} is nearly at its quota`;
}

function isFull({ status }: EtcdMemberView, observation: EtcdObservation | undefined): boolean {
  const quotaBytes = status?.quotaBytes ?? observation?.scrape.series.get('etcd_server_quota_backend_bytes')?.[0]?.value;
  return quotaBytes !== undefined && quotaBytes > 0 && (status?.dbSizeBytes ?? 0) >= quotaBytes * QUOTA_FULL;
}
