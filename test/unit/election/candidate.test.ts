import { describe, expect, test } from 'vitest';
import {
  type CandidateInput,
  type CandidateOutput,
  type CandidateState,
  candidate,
  createCandidate,
  hasLetGo,
  owns,
} from '../../../src/core/election/candidate.ts';
import type { ElectionRecord } from '../../../src/core/election/record.ts';
import { type ElectionTiming, ownMs } from '../../../src/core/election/timing.ts';
import { DRIFT_BOUND } from '../../../src/core/lease/timing.ts';

/** client-go's defaults. */
const timing: ElectionTiming = { durationMs: 15_000, renewDeadlineMs: 10_000, retryMs: 2000 };

const recordOf = (holderIdentity: string, leaseTransitions = 3): ElectionRecord => ({
  holderIdentity,
  leaseDurationSeconds: 15,
  leaseTransitions,
  acquireTime: 'acquired',
  renewTime: 'renewed',
});

/** A candidate `me` that is told things, one after the other. */
class Story {
  state: CandidateState;
  now = 0;

  constructor(options: { competing?: boolean; seed?: number } = {}) {
    this.state = createCandidate({ identity: 'me', timing, seed: options.seed ?? 1, now: 0 });
    if (options.competing !== false) this.tell({ kind: 'compete' });
    else this.tell({ kind: 'tick' });
  }

  tell(input: CandidateInput): CandidateOutput[] {
    const { state, outputs } = candidate.step(this.state, input, this.now);
    this.state = state;
    return outputs;
  }

  /** Waits until it wants to be woken, and wakes it. */
  wake(): CandidateOutput[] {
    this.now = candidate.wakeAt(this.state);
    return this.tell({ kind: 'tick' });
  }

  at(now: number): this {
    this.now = now;
    return this;
  }

  get owns(): boolean {
    return owns(this.state, this.now);
  }
}

/** It read its own name into an absent record at once, and the answer came at `answeredAt`. */
function owner(answeredAt = 0): Story {
  const story = new Story();
  story.tell({ kind: 'absent' });
  story.at(answeredAt).tell({ kind: 'written', record: recordOf('me', 0), version: '1' });
  return story;
}

/** Outputs without what is not looked at. */
const kinds = (outputs: CandidateOutput[]) =>
  outputs.map((output) => ('reason' in output ? `${output.kind} ${output.reason}` : output.kind));

describe('a follower', () => {
  test('looks at once, and creates the record when there is none', () => {
    const story = new Story();
    expect(story.state.call).toEqual({ kind: 'read' });
    expect(story.tell({ kind: 'absent' })).toEqual([
      {
        kind: 'write',
        version: undefined,
        draft: { holderIdentity: 'me', leaseDurationSeconds: 15, leaseTransitions: 0, acquireTime: undefined },
      },
    ]);
    expect(kinds(story.tell({ kind: 'written', record: recordOf('me', 0), version: '1' }))).toEqual(['became-owner']);
    expect(story.owns).toBe(true);
  });

  test("waits the record's duration, of its own clock, since it first saw that version; every change starts anew", () => {
    const story = new Story();
    story.tell({ kind: 'read-failed', reason: 'no answer' });
    const look = (now: number, version: string) => {
      story.at(now).tell({ kind: 'look' });
      return kinds(story.tell({ kind: 'found', record: { ...recordOf('other'), leaseDurationSeconds: 7 }, version }));
    };
    expect(look(1000, '5')).toEqual([]);
    expect(look(7999, '5')).toEqual([]);
    expect(look(8000, '6')).toEqual([]);
    expect(look(14_999, '6')).toEqual([]);
    expect(look(15_000, '6')).toEqual(['write']);
  });

  test('takes an empty record at once, as one more transition', () => {
    const story = new Story();
    expect(story.tell({ kind: 'found', record: { ...recordOf(''), leaseDurationSeconds: 1 }, version: '7' })).toEqual([
      {
        kind: 'write',
        version: '7',
        draft: { holderIdentity: 'me', leaseDurationSeconds: 15, leaseTransitions: 4, acquireTime: undefined },
      },
    ]);
  });

  test('takes back a record that has its own name, without waiting, and its time and transitions stay', () => {
    const story = new Story();
    expect(story.tell({ kind: 'found', record: recordOf('me'), version: '7' })).toMatchObject([
      { kind: 'write', draft: { leaseTransitions: 3, acquireTime: 'acquired' } },
    ]);
  });

  test('somebody was faster: it waits for the next attempt, between 1 and 2.2 retry periods later (JitterUntil, client-go)', () => {
    const gaps = Array.from({ length: 200 }, (_, seed) => {
      const story = new Story({ seed });
      story.tell({ kind: 'absent' });
      expect(story.tell({ kind: 'conflict' })).toEqual([]);
      expect(story.owns).toBe(false);
      return candidate.wakeAt(story.state);
    });
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(2000);
    expect(Math.max(...gaps)).toBeLessThan(4400);
    expect(Math.max(...gaps) - Math.min(...gaps)).toBeGreaterThan(2000);
  });

  test('a write without an answer does not make it the owner, though it may have been done', () => {
    const story = new Story();
    story.tell({ kind: 'absent' });
    expect(story.tell({ kind: 'write-failed', reason: 'no answer' })).toEqual([]);
    expect([story.owns, story.state.problem]).toEqual([false, 'no answer']);
    expect(kinds(story.wake())).toEqual(['read']);
    expect(kinds(story.tell({ kind: 'found', record: recordOf('me', 0), version: '1' }))).toEqual(['write']);
  });

  test('an answer that comes after the time that it could count on makes nobody an owner', () => {
    expect(owner(10_000).owns).toBe(false);
    expect(owner(9999).owns).toBe(true);
  });

  test('told that the record is about to be free it looks often, for one retry period', () => {
    const story = new Story();
    const found: CandidateInput = { kind: 'found', record: recordOf('other'), version: '1' };
    story.tell(found);
    expect(kinds(story.at(500).tell({ kind: 'look' }))).toEqual(['read']);
    let looks = 0;
    for (story.tell(found); candidate.wakeAt(story.state) - story.now <= 100; story.tell(found)) {
      looks++;
      expect(kinds(story.wake())).toEqual(['read']);
    }
    expect(looks).toBe(20);
  });
});

describe('the owner', () => {
  test('renews every retry period, counted from the sending, at the version that it knows', () => {
    const story = owner(1500);
    expect(story.wake()).toEqual([
      {
        kind: 'write',
        version: '1',
        draft: { holderIdentity: 'me', leaseDurationSeconds: 15, leaseTransitions: 0, acquireTime: 'acquired' },
      },
    ]);
    expect(story.now).toBe(2000);
  });

  test('gives up when the deadline has passed since the last successful write was sent, however late it notices', () => {
    const story = owner(1500);
    story.wake();
    expect(story.at(9999).owns).toBe(true);
    expect(candidate.wakeAt(story.state)).toBe(10_000);
    expect(story.at(10_000).owns).toBe(false);
    expect(kinds(story.at(60_000).tell({ kind: 'written', record: recordOf('me'), version: '2' }))).toEqual(['lost not-renewed']);
    expect(story.owns).toBe(false);
  });

  test('after a renewal that failed it looks, within the same attempt, and tries again', () => {
    const story = owner();
    story.wake();
    expect(kinds(story.tell({ kind: 'write-failed', reason: 'no answer' }))).toEqual(['read']);
    expect(kinds(story.tell({ kind: 'found', record: recordOf('me', 0), version: '2' }))).toEqual(['write']);
    story.tell({ kind: 'written', record: recordOf('me', 0), version: '3' });
    expect([story.state.ownUntil, story.state.problem]).toEqual([12_000, undefined]);
  });

  test("stops at once when it reads another's name", () => {
    const story = owner();
    story.wake();
    story.tell({ kind: 'conflict' });
    expect(kinds(story.tell({ kind: 'found', record: recordOf('other'), version: '2' }))).toEqual(['lost taken']);
    expect(story.owns).toBe(false);
  });

  test('puts back a record that was deleted', () => {
    const story = owner();
    story.wake();
    story.tell({ kind: 'conflict' });
    expect(story.tell({ kind: 'absent' })).toMatchObject([{ kind: 'write', version: undefined }]);
    expect(story.owns).toBe(true);
  });

  test('lets go: not the owner from then on, and the record says nobody for a second', () => {
    const story = owner().at(500);
    expect(story.tell({ kind: 'release' })).toEqual([
      { kind: 'lost', reason: 'released' },
      { kind: 'write', version: '1', draft: { holderIdentity: '', leaseDurationSeconds: 1, leaseTransitions: 0, acquireTime: undefined } },
    ]);
    expect([story.owns, hasLetGo(story.state)]).toEqual([false, false]);
    story.tell({ kind: 'written', record: recordOf(''), version: '2' });
    expect(hasLetGo(story.state)).toBe(true);
  });

  test('told to let go while a renewal is under way, it lets go after that', () => {
    const story = owner();
    story.wake();
    expect(kinds(story.tell({ kind: 'release' }))).toEqual(['lost released']);
    expect(kinds(story.tell({ kind: 'written', record: recordOf('me', 0), version: '2' }))).toEqual(['write']);
    expect(story.owns).toBe(false);
  });

  test('lets go again when nobody knows whether it was done', () => {
    const story = owner();
    story.tell({ kind: 'release' });
    expect(kinds(story.tell({ kind: 'write-failed', reason: 'no answer' }))).toEqual(['read']);
    expect(story.tell({ kind: 'found', record: recordOf('me', 0), version: '1' })).toMatchObject([
      { kind: 'write', version: '1', draft: { holderIdentity: '' } },
    ]);
  });
});

test('who does not compete only looks, and lets go of what an earlier run left', () => {
  const story = new Story({ competing: false });
  expect(story.tell({ kind: 'absent' })).toEqual([]);
  expect(kinds(story.wake())).toEqual(['read']);
  expect(story.tell({ kind: 'found', record: recordOf('me'), version: '9' })).toMatchObject([
    { kind: 'write', version: '9', draft: { holderIdentity: '' } },
  ]);
});

test('no deadline lets an owner count on the record for longer than others wait, with clocks at the bound', () => {
  for (const renewDeadlineMs of [10_000, 14_900, 14_999]) {
    const owned = ownMs({ ...timing, renewDeadlineMs });
    expect(owned / (1 - DRIFT_BOUND)).toBeLessThanOrEqual(timing.durationMs / (1 + DRIFT_BOUND) + 1e-6);
    expect(owned).toBeLessThanOrEqual(renewDeadlineMs);
  }
});
