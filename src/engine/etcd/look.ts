import { HaleError } from '../../base/error.ts';
import type { EtcdObservation } from '../../core/etcd/status/observation.ts';
import { type EtcdAnswer, type EtcdView, viewOf } from '../../core/etcd/view.ts';
import type { Clock } from '../../ports/clock.ts';
import type { EtcdAdmin } from '../../ports/etcd-admin.ts';
import type { EtcdObserver } from '../../ports/etcd-observer.ts';

/**
 * Asks every member that `urls` lead to, all at once, so that one that does not answer costs its time-out once. Needs no quorum. Never fails: a member that does not
 * answer is in the view with the reason.
 */
export async function lookAtEtcd({ etcd, urls }: { etcd: EtcdAdmin; urls: readonly string[] }): Promise<EtcdView> {
  return viewOf(await askAll(urls, (url) => ask(etcd, url)));
}

export interface EtcdLook {
  view: EtcdView;
  /** By the id of the member; of those that answered. */
  observed: ReadonlyMap<string, Observed>;
  /** From the first question to the last answer, in milliseconds. */
  tookMs: number;
}

/** `problem` is why there is no observation. */
export type Observed = { observation: EtcdObservation; problem?: undefined } | { observation?: undefined; problem: string };

export interface LookOptions {
  etcd: EtcdAdmin & EtcdObserver;
  urls: readonly string[];
  clock: Clock;
  /** That of the client. */
  timeoutMs: number;
}

/** As `lookAtEtcd`, with what each member shows beside: its metrics, its certificate, its clock. All of it within the same time-out. */
export async function observeEtcd({ etcd, urls, clock, timeoutMs }: LookOptions): Promise<EtcdLook> {
  const startedAt = clock.now();
  const answers = await askAll(urls, async (url) => {
    const [answer, observed] = await Promise.all([ask(etcd, url), observe(etcd, url)]);
    return { ...answer, observed };
  });
  // Afterwards, by a connection that is open and idle: the questions before waited for its handshake and for each other.
  const waitMs = Math.max(ROUND_TRIP_MIN_WAIT_MS, timeoutMs - (clock.now() - startedAt));
  const timed = await Promise.all(
    answers.map(async (answer) => {
      const roundTripMs = answer.status === undefined ? null : await etcd.roundTrip(answer.url, waitMs);
      return roundTripMs === null ? answer : { ...answer, roundTripMs: Math.round(roundTripMs * 100) / 100 };
    }),
  );
  const observed = new Map(
    timed.flatMap((answer) => (answer.status === undefined ? [] : [[answer.status.memberId, answer.observed] as const])),
  );
  return { view: viewOf(timed), observed, tookMs: clock.now() - startedAt };
}

/** Where a member has used up all the time, the others' round trips get this much; they seldom need it. */
const ROUND_TRIP_MIN_WAIT_MS = 200;

/** Asks at `urls`, and at one URL of each member that the answers name and nobody has been. */
async function askAll<Answer extends EtcdAnswer>(urls: readonly string[], askOne: (url: string) => Promise<Answer>): Promise<Answer[]> {
  const asked = new Map<string, Promise<Answer>>();
  const seen = new Set<string>();
  const askThem = async (wanted: readonly string[]): Promise<void> => {
    await Promise.all(
      wanted.map(async (url) => {
        const answer = asked.get(url) ?? askOne(url);
        asked.set(url, answer);
        const { members = [], status } = await answer;
        if (status !== undefined) seen.add(status.memberId);
        // A member has several URLs, and was perhaps asked at another one than it tells.
        const unknown = members.filter(({ id, clientUrls }) => !seen.has(id) && !clientUrls.some((own) => asked.has(own)));
        await askThem(unknown.flatMap(({ clientUrls }) => clientUrls.slice(0, 1)));
      }),
    );
  };
  await askThem([...new Set(urls)]);
  return await Promise.all(asked.values());
}

async function ask(etcd: EtcdAdmin, url: string): Promise<EtcdAnswer> {
  const [status, members] = await Promise.allSettled([etcd.status(url), etcd.membersAt(url)]);
  if (status.status === 'rejected') {
    // Whom it knows it keeps in memory (seen with etcd 3.4 to 3.6).
    const closed = members.status === 'fulfilled' ? '; it runs, with its database closed as while it is defragmented' : '';
    return { url, problem: `${reasonOf(status.reason)}${closed}` };
  }
  // A learner tells its status, and not its members.
  return { url, status: status.value, ...(members.status === 'fulfilled' ? { members: members.value } : {}) };
}

/** What those that answered show now, by their ids; members that do not answer are not asked again. */
export async function observeAgain(etcd: EtcdObserver, { members }: EtcdView): Promise<Map<string, EtcdObservation>> {
  const answering = members.flatMap(({ id, url, status }) => (status === null || url === null ? [] : [{ id, url }]));
  const seen = await Promise.all(answering.map(async ({ id, url }) => ({ id, ...(await observe(etcd, url)) })));
  return new Map(seen.flatMap(({ id, observation }) => (observation === undefined ? [] : [[id, observation] as const])));
}

async function observe(etcd: EtcdObserver, url: string): Promise<Observed> {
  try {
    return { observation: await etcd.observe(url) };
  } catch (error) {
    return { problem: reasonOf(error) };
  }
}

/** Without the place: that stands beside it. */
function reasonOf(error: unknown): string {
  return error instanceof HaleError ? (error.reason ?? error.message) : (error as Error).message;
}
