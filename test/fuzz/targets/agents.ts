/** What agents say to each other: lease messages, the envelope around them, sessions. */
import { deepEqual, equal, ok } from 'node:assert/strict';
import { type BalancerMessage, decodeBalancerMessage, encodeBalancerMessage } from '../../../src/core/balancer/wire.ts';
import { createMember, leaseMember } from '../../../src/core/lease/member.ts';
import type { LeaseMessage } from '../../../src/core/lease/message.ts';
import type { LeaseInput } from '../../../src/core/lease/state.ts';
import { timingProfiles } from '../../../src/core/lease/timing.ts';
import { decodeLeaseMessage, encodeLeaseMessage } from '../../../src/core/lease/wire.ts';
import { decodeEnvelope, encodeEnvelope, type Envelope } from '../../../src/core/session/wire.ts';
import type { Target } from '../target.ts';

const round = { boot: 0x0102_0304_0506, seq: 7 };
const term = 9;

const messages: readonly LeaseMessage[] = [
  { kind: 'poll', round },
  { kind: 'request', purpose: 'acquire', round, term },
  { kind: 'request', purpose: 'renew', round, term },
  { kind: 'request', purpose: 'succeed', round, term },
  { kind: 'grant', round, poll: true, term },
  { kind: 'refusal', round, poll: false, term, reason: 'promised', waitMs: 12.5 },
  { kind: 'release', round, term },
  { kind: 'handover', term, successor: 2 },
  { kind: 'ready', round, term },
  { kind: 'yield', round, term },
  { kind: 'heartbeat', fitness: 'good', term, heard: 7, readyBackends: 5, mac: 0x0200_0000_0001 },
];

const leaseMessage: Target = {
  name: 'lease-message',
  property: 'a lease message is refused as a value, or it is exactly the bytes that encoding it gives',
  seeds: messages.map(encodeLeaseMessage),
  maxLength: 64,
  run(input) {
    const decoded = decodeLeaseMessage(input);
    if (decoded.ok) equal(hex(encodeLeaseMessage(decoded.message)), hex(input));
  },
};

const told: readonly BalancerMessage[] = [
  { kind: 'query' },
  { kind: 'table', opening: 7, established: 5, dead: 2 },
  { kind: 'flows', first: 0, last: 0, flows: [] },
  {
    kind: 'flows',
    first: 0,
    last: 255,
    flows: [
      { address: '10.0.0.20', port: 40_000 },
      { address: '10.0.0.20', port: 40_001 },
      { address: 'fd00::20', port: 40_000 },
      { address: 'fd00::21', port: 1 },
    ],
  },
];

const balancerMessage: Target = {
  name: 'balancer-message',
  property: 'what agents tell of connections is refused as a value, or it is exactly the bytes that encoding it gives',
  seeds: told.map(encodeBalancerMessage),
  maxLength: 256,
  run(input) {
    const decoded = decodeBalancerMessage(input);
    if (decoded.ok) equal(hex(encodeBalancerMessage(decoded.message)), hex(input));
  },
};

const LAST_TERM = 2 ** 47;
const SELF = 0;
const MEMBERS = 3;

/** Each step of `lease-member`: who speaks, how much later (2 ms units), how long the message is, the message. A member that does not exist: the host's own doings. */
function step(from: number, message: Uint8Array): Uint8Array {
  return Uint8Array.of(from, 40, message.length, ...message);
}

const OWN_DOINGS: readonly LeaseInput[] = [
  { kind: 'tick' },
  { kind: 'fitness', fitness: 'good', readyBackends: 7, mac: 1 },
  { kind: 'fitness', fitness: 'unable', readyBackends: 0, mac: 1 },
  { kind: 'drain' },
  { kind: 'resume' },
  { kind: 'hold-failed', reason: 'told so' },
  { kind: 'withdrawn', ok: true },
  { kind: 'withdrawn', ok: false },
];
const OWN = 0xff;

/** An election that is won, renewed and handed over: member 1 answers every question as asked, after it has told of the term. */
function electionSteps(highestTerm: number): Uint8Array {
  const steps: Uint8Array[] = [];
  let state = freshMember();
  let now = 0;
  const play = (from: number, bytes: Uint8Array, later: number): void => {
    const input = from === OWN ? OWN_DOINGS[bytes[0] as number] : heard(from, bytes);
    now += later * 2;
    steps.push(Uint8Array.of(from, later, bytes.length, ...bytes));
    const { state: after, outputs } = leaseMember.step(state, input as LeaseInput, now);
    state = after;
    if (steps.length > 24) return;
    for (const output of outputs) {
      if (output.kind !== 'send' || output.to !== 1) continue;
      const { message } = output;
      if (message.kind !== 'poll' && message.kind !== 'request') continue;
      const answer = {
        kind: 'grant',
        round: message.round,
        term: 'term' in message ? message.term : 0,
        poll: message.kind === 'poll',
      } as const;
      play(1, encodeLeaseMessage(answer), 1);
    }
  };
  play(1, encodeLeaseMessage({ kind: 'heartbeat', fitness: 'good', term: highestTerm, heard: 7, readyBackends: 7, mac: 2 }), 0);
  play(OWN, Uint8Array.of(1), 0);
  for (let i = 0; i < 12; i++) play(OWN, Uint8Array.of(0), 80);
  play(OWN, Uint8Array.of(3), 4);
  return Buffer.concat(steps);
}

function freshMember() {
  return createMember({ self: SELF, members: MEMBERS, timing: timingProfiles.default, boot: round.boot, now: 0 });
}

const leaseMemberTarget: Target = {
  name: 'lease-member',
  property: 'no order of well-formed messages makes a member throw, or send what its peers cannot read',
  seeds: [
    Buffer.concat(messages.map((message, i) => step(1 + (i & 1), encodeLeaseMessage(message)))),
    electionSteps(term),
    electionSteps(LAST_TERM - 3),
    Uint8Array.of(OWN, 200, 1, 1, OWN, 250, 1, 0, OWN, 250, 1, 0, OWN, 250, 1, 0, OWN, 250, 1, 0, OWN, 250, 1, 0, OWN, 250, 1, 0),
  ],
  maxLength: 512,
  quickExecutions: 1000,
  run(input) {
    let now = 0;
    let state = freshMember();
    for (let at = 0; at + 3 <= input.length; ) {
      const [from, later, length] = input.subarray(at, at + 3) as unknown as [number, number, number];
      const bytes = input.subarray(at + 3, at + 3 + length);
      at += 3 + length;
      now += later * 2;
      const next = from === OWN ? OWN_DOINGS[(bytes[0] ?? 0) % OWN_DOINGS.length] : heard(from, bytes);
      if (next === undefined) continue;
      const { state: after, outputs } = leaseMember.step(state, next, now);
      state = after;
      for (const output of outputs) {
        if (output.kind !== 'send') continue;
        // None follows the last lawful one; no cluster gets there.
        if ('term' in output.message && output.message.term > LAST_TERM) continue;
        ok(output.to !== SELF && output.to < MEMBERS, `sends to member ${output.to}`);
        const decoded = decodeLeaseMessage(encodeLeaseMessage(output.message));
        ok(decoded.ok, `sends what cannot be read: ${JSON.stringify(output.message)}`);
        deepEqual(withoutWait(decoded.message), withoutWait(output.message));
      }
      ok(!Number.isNaN(leaseMember.wakeAt(state)), 'wakes at no time');
    }
  },
};

function heard(from: number, bytes: Uint8Array): LeaseInput | undefined {
  const decoded = decodeLeaseMessage(bytes);
  return decoded.ok ? { kind: 'message', from: from % (MEMBERS + 1), message: decoded.message } : undefined;
}

/** Waits are rounded up to whole microseconds on the wire. */
function withoutWait(message: LeaseMessage): object {
  return message.kind === 'refusal' ? { ...message, waitMs: 0 } : message;
}

const header = { key: 0x5a, from: 1, to: 2, cluster: 0xdead_beef, boot: 0x0102_0304_0506, counter: 3 };
const envelopes: readonly Envelope[] = [
  { ...header, content: { payload: encodeLeaseMessage(messages[0] as LeaseMessage) } },
  { ...header, content: { payload: new Uint8Array(0) } },
  { ...header, content: { hello: { challenge: 1, echo: 2 } } },
];

const sessionEnvelope: Target = {
  name: 'session-envelope',
  property: 'an envelope is refused, or it is exactly the bytes that encoding it gives',
  seeds: envelopes.map(encodeEnvelope),
  run(input) {
    const envelope = decodeEnvelope(input);
    if (envelope !== undefined) equal(hex(encodeEnvelope(envelope)), hex(input));
  },
};

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}

export const agentTargets: readonly Target[] = [leaseMessage, balancerMessage, leaseMemberTarget, sessionEnvelope];
