import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fitnessLevels, type LeaseMessage, refusalReasons, requestPurposes } from '../../../src/core/lease/message.ts';
import { decodeLeaseMessage, encodeLeaseMessage } from '../../../src/core/lease/wire.ts';

const u48 = fc.integer({ min: 0, max: 2 ** 48 - 1 });
const term = fc.integer({ min: 0, max: 2 ** 47 });
const u16 = fc.integer({ min: 0, max: 0xffff });
const round = fc.record({ boot: u48, seq: u48 });

const message: fc.Arbitrary<LeaseMessage> = fc.oneof(
  fc.record({ kind: fc.constant('poll' as const), round }),
  fc.record({ kind: fc.constant('request' as const), round, term, purpose: fc.constantFrom(...requestPurposes) }),
  fc.record({ kind: fc.constant('grant' as const), round, term, poll: fc.boolean() }),
  fc.record({
    kind: fc.constant('refusal' as const),
    round,
    term,
    poll: fc.boolean(),
    reason: fc.constantFrom(...refusalReasons),
    waitMs: fc.integer({ min: 0, max: 4_000_000 }).map((us) => us / 1000),
  }),
  fc.record({ kind: fc.constantFrom('release' as const, 'ready' as const, 'yield' as const), round, term }),
  fc.record({ kind: fc.constant('handover' as const), term, successor: fc.integer({ min: 0, max: 255 }) }),
  fc.record({
    kind: fc.constant('heartbeat' as const),
    term,
    fitness: fc.constantFrom(...fitnessLevels),
    heard: u16,
    readyBackends: u16,
    mac: u48,
  }),
);

test('every message survives the wire', () => {
  fc.assert(
    fc.property(message, (original) => {
      expect(decodeLeaseMessage(encodeLeaseMessage(original))).toEqual({ ok: true, message: original });
    }),
  );
});

test('a message that is cut short, or has bytes too many, is a value with a reason', () => {
  fc.assert(
    fc.property(message, fc.nat(), (original, cut) => {
      const bytes = encodeLeaseMessage(original);
      expect(decodeLeaseMessage(bytes.subarray(0, cut % bytes.length)).ok).toBe(false);
      expect(decodeLeaseMessage(new Uint8Array([...bytes, 0]))).toEqual({ ok: false, reason: 'length' });
    }),
  );
});

test('no bytes make the decoder throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => void decodeLeaseMessage(bytes)),
    { numRuns: 5000 },
  );
});

test('a wait is never rounded down: an early question would only be refused again', () => {
  const refusal = { kind: 'refusal', round: { boot: 1, seq: 1 }, term: 1, poll: true, reason: 'promised' } as const;
  const decoded = decodeLeaseMessage(encodeLeaseMessage({ ...refusal, waitMs: 1.0001 }));
  expect(decoded).toMatchObject({ ok: true, message: { waitMs: 1.001 } });
});

test('a term so high that the next ones would not fit is refused: it would make the terms of a whole cluster start at 0 again', () => {
  const bytes = encodeLeaseMessage({ kind: 'release', round: { boot: 1, seq: 1 }, term: 2 ** 48 - 1 });
  expect(decodeLeaseMessage(bytes)).toEqual({ ok: false, reason: 'value' });
});
