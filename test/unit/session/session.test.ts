import { describe, expect, test } from 'vitest';
import fc from 'fast-check';
import { type Arrival, challenge, createSession, receiveArrival, type Session } from '../../../src/core/session/session.ts';
import { decodeEnvelope, encodeEnvelope } from '../../../src/core/session/wire.ts';

const BOOT = 7;
const at = (now: number) => ({ now, nonce: 1000 + now });

function established(boot = BOOT): Session {
  const { session, reply } = challenge(createSession(), at(0));
  return receiveArrival(session, { boot, counter: 1, hello: { challenge: 0, echo: reply?.challenge ?? 0 } }, at(1)).session;
}

const data = (counter: number, boot = BOOT): Arrival => ({ boot, counter, hello: undefined });

describe('a session', () => {
  test('accepts nothing of a run that has not answered a challenge, and challenges it', () => {
    const step = receiveArrival(createSession(), data(5), at(0));
    expect(step).toMatchObject({ verdict: 'unknown-session', reply: { challenge: 1000, echo: 0 } });
  });

  test('a recorded hello of an earlier run does not answer a new challenge', () => {
    const { session } = challenge(createSession(), at(50));
    const replayed = receiveArrival(session, { boot: BOOT, counter: 1, hello: { challenge: 0, echo: 1000 } }, at(51));
    expect(receiveArrival(replayed.session, data(2), at(52)).verdict).toBe('unknown-session');
  });

  test('a run that was replaced is never believed again', () => {
    let session = established();
    expect(receiveArrival(session, data(2), at(2)).verdict).toBe('accept');
    const asked = receiveArrival(session, data(1, 8), at(30));
    session = receiveArrival(
      asked.session,
      { boot: 8, counter: 2, hello: { challenge: 0, echo: asked.reply?.challenge ?? 0 } },
      at(31),
    ).session;
    expect(receiveArrival(session, data(3, 8), at(32)).verdict).toBe('accept');
    expect(receiveArrival(session, data(3), at(33)).verdict).toBe('unknown-session');
  });

  test('replayed datagrams cannot push aside the answer to a challenge that is under way', () => {
    let { session, reply } = challenge(createSession(), at(0));
    for (let now = 1; now < 100; now += 7) session = receiveArrival(session, data(9, 99), at(now)).session;
    session = receiveArrival(session, { boot: BOOT, counter: 1, hello: { challenge: 0, echo: reply?.challenge ?? 0 } }, at(100)).session;
    expect(receiveArrival(session, data(2), at(101)).verdict).toBe('accept');
  });

  test('RFC 4303 section 3.4.3: each counter counts once, in any order within the window', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 2, max: 150 }), { maxLength: 200 }), (counters) => {
        let session = established();
        const accepted = new Set<number>();
        let highest = 1;
        for (const counter of counters) {
          const step = receiveArrival(session, data(counter), at(5));
          const fresh = !accepted.has(counter) && counter > highest - 64;
          expect(step.verdict).toBe(fresh ? 'accept' : 'replayed');
          if (fresh) accepted.add(counter);
          highest = Math.max(highest, counter);
          session = step.session;
        }
      }),
    );
  });
});

describe('an envelope', () => {
  test('survives the wire; no bytes make the decoder throw', () => {
    const envelope = { key: 3, from: 0, to: 2, cluster: 0xdeadbeef, boot: 2 ** 47, counter: 12 };
    const hello = { ...envelope, content: { hello: { challenge: 5, echo: 6 } } };
    expect(decodeEnvelope(encodeEnvelope(hello))).toEqual(hello);
    const payload = { ...envelope, content: { payload: Uint8Array.of(1, 2, 3) } };
    expect(decodeEnvelope(encodeEnvelope(payload))).toEqual(payload);
    expect(decodeEnvelope(encodeEnvelope(hello).subarray(0, -1))).toBeUndefined();
    fc.assert(fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => void decodeEnvelope(bytes)));
  });
});
