import { describe, expect, test } from 'vitest';
import {
  acceptHandover,
  acceptRelease,
  activePromise,
  answerPoll,
  answerRequest,
  createGranter,
  type Granter,
} from '../../../src/core/lease/granter.ts';
import { LAST_SEQ, type RequestPurpose } from '../../../src/core/lease/message.ts';
import { SILENCE_MS, timingProfiles } from '../../../src/core/lease/timing.ts';

const timing = timingProfiles.default;
const T = timing.leaseMs;

interface Ask {
  from: number;
  seq: number;
  term?: number;
  boot?: number;
  purpose?: RequestPurpose;
  now: number;
}

function ask(granter: Granter, { from, seq, term = 1, boot = 100 + from, purpose = 'acquire', now }: Ask) {
  return answerRequest(granter, from, { kind: 'request', purpose, round: { boot, seq }, term }, { now, timing });
}

/** A granter past its silence. */
function free(): Granter {
  return createGranter({ now: -SILENCE_MS, members: 3 });
}

describe('a granter', () => {
  test('says nothing after its start for the longest lease of any profile, because a run before it may have promised', () => {
    const granter = createGranter({ now: 0, members: 3 });
    const { answer } = ask(granter, { from: 1, seq: 1, now: SILENCE_MS - 1 });
    expect(answer).toMatchObject({ kind: 'refusal', reason: 'silent', waitMs: 1 });
    expect(ask(granter, { from: 1, seq: 1, now: SILENCE_MS }).answer.kind).toBe('grant');
    for (const { leaseMs } of Object.values(timingProfiles)) expect(SILENCE_MS).toBeGreaterThanOrEqual(leaseMs);
  });

  test('promises to one candidate at a time, and tells the others how long to wait', () => {
    const { granter } = ask(free(), { from: 1, seq: 1, now: 10 });
    expect(ask(granter, { from: 2, seq: 1, term: 9, now: 10 + T - 0.5 }).answer).toMatchObject({ reason: 'promised', waitMs: 0.5 });
    expect(answerPoll(granter, 2, { kind: 'poll', round: { boot: 1, seq: 1 } }, 10 + T - 0.5)).toMatchObject({ kind: 'refusal' });
    expect(ask(granter, { from: 2, seq: 1, term: 9, now: 10 + T }).answer.kind).toBe('grant');
  });

  test('a request overtaken by its release does not bind again', () => {
    let granter = ask(free(), { from: 1, seq: 5, now: 0 }).granter;
    granter = acceptRelease(granter, 1, { kind: 'release', round: { boot: 101, seq: 7 }, term: 1 });
    expect(activePromise(granter, 1)).toBeUndefined();
    expect(ask(granter, { from: 1, seq: 6, term: 2, now: 1 }).answer).toMatchObject({ reason: 'stale' });
    expect(activePromise(granter, 1)).toBeUndefined();
  });

  test("a dead run's last release covers every promise to it, that to a successor included, and no request of it binds again", () => {
    const last = { kind: 'release', round: { boot: 101, seq: LAST_SEQ }, term: 0 } as const;
    const promised = ask(free(), { from: 1, seq: 2 ** 40, now: 0 }).granter;
    const released = acceptRelease(promised, 1, last);
    expect(activePromise(released, 1)).toBeUndefined();
    expect(ask(released, { from: 1, seq: LAST_SEQ - 1, term: 2, now: 1 }).answer).toMatchObject({ reason: 'stale' });
    const held = acceptHandover(ask(free(), { from: 2, seq: 1, now: 0 }).granter, 2, { kind: 'handover', term: 1, successor: 1 });
    const succeeding = ask(held, { from: 1, seq: 1, term: 2, purpose: 'succeed', now: 0 }).granter;
    expect(succeeding.succession?.candidate).toBe(1);
    expect(acceptRelease(succeeding, 1, last).succession).toBeUndefined();
  });

  test('a release by another member, of another run or of an earlier round changes nothing', () => {
    const { granter } = ask(free(), { from: 1, seq: 5, now: 0 });
    for (const [from, boot, seq] of [
      [2, 101, 9],
      [1, 999, 9],
      [1, 101, 4],
    ] as const) {
      const after = acceptRelease(granter, from, { kind: 'release', round: { boot, seq }, term: 1 });
      expect(activePromise(after, 1)?.candidate).toBe(1);
    }
  });

  test('a new holder needs a higher term than any promised before; a renewal does not', () => {
    const { granter } = ask(free(), { from: 1, seq: 1, term: 4, now: 0 });
    expect(ask(granter, { from: 2, seq: 1, term: 4, now: T }).answer).toMatchObject({ reason: 'term', term: 4 });
    expect(ask(granter, { from: 1, seq: 2, term: 3, purpose: 'renew', now: T }).answer.kind).toBe('grant');
  });
});

describe('a succession', () => {
  const held = () => ask(free(), { from: 0, seq: 1, term: 1, now: 0 }).granter;
  const consented = () => acceptHandover(held(), 0, { kind: 'handover', term: 1, successor: 1 });
  const succeed = { from: 1, seq: 1, term: 2, purpose: 'succeed', now: 1 } as const;

  test('needs the consent of the holder, and only of the holder', () => {
    expect(ask(held(), succeed).answer).toMatchObject({ reason: 'promised' });
    const claimed = acceptHandover(held(), 2, { kind: 'handover', term: 1, successor: 1 });
    expect(ask(claimed, succeed).answer).toMatchObject({ reason: 'promised' });
    expect(ask(consented(), { ...succeed, from: 2 }).answer).toMatchObject({ reason: 'promised' });
    expect(ask(consented(), succeed).answer.kind).toBe('grant');
  });

  test('leaves the holder its promise until the successor renews', () => {
    const { granter } = ask(consented(), succeed);
    expect(activePromise(granter, 1)?.candidate).toBe(0);
    expect(ask(granter, { from: 0, seq: 2, purpose: 'renew', now: 2 }).answer.kind).toBe('grant');
    const renewed = ask(granter, { from: 1, seq: 2, term: 2, purpose: 'renew', now: 3 });
    expect(activePromise(renewed.granter, 3)?.candidate).toBe(1);
    expect(ask(renewed.granter, { from: 0, seq: 3, purpose: 'renew', now: 4 }).answer).toMatchObject({ reason: 'promised' });
  });

  test('keeps a third candidate out after the holder gave its promise back', () => {
    const { granter } = ask(consented(), succeed);
    const released = acceptRelease(granter, 0, { kind: 'release', round: { boot: 100, seq: 1 }, term: 1 });
    expect(ask(released, { from: 2, seq: 1, term: 3, now: 2 }).answer).toMatchObject({ reason: 'promised' });
    expect(ask(released, { from: 0, seq: 2, term: 3, now: 2 }).answer).toMatchObject({ reason: 'promised' });
  });
});
