import { describe, expect, test } from 'vitest';
import {
  detectionTimeMs,
  receiveIntervalMs,
  remoteDetectionTimeMs,
  transmitIntervalMs,
  transmitsAt,
} from '../../../src/core/bfd/timing.ts';
import { FAST, Play } from './play.ts';

describe('section 6.8.4: the Detection Time', () => {
  test("is the peer's multiplier times the slower of its wish to send and ours to receive", () => {
    const play = Play.up();
    play.hear({ state: 'Up', multiplier: 5, desiredMinTxUs: 80_000 });
    expect([detectionTimeMs(play.state), receiveIntervalMs(play.state)]).toEqual([400, 80]);
    play.hear({ state: 'Up', multiplier: 5, desiredMinTxUs: 10_000 });
    expect(detectionTimeMs(play.state)).toBe(250);
  });

  test.each(['Init', 'Up'] as const)('ends a session that is %s: Control Detection Time Expired', (state) => {
    const play = state === 'Up' ? Play.up() : new Play();
    if (state === 'Init') play.hear({ state: 'Down' });
    const end = play.now + (state === 'Up' ? 150 : 3000);
    play.run(end - play.now - 0.001);
    expect(play.state.state).toBe(state);
    play.run(0.001);
    expect(play.changes.at(-1)).toBe(`${state} Down Control Detection Time Expired`);
    expect(play.sent.at(-1)).toMatchObject({ state: 'Down', diagnostic: 1, yourDiscriminator: 0 });
  });

  test('is judged at a tick only: a packet that was read late counts', () => {
    const play = Play.up();
    play.now += 10_000;
    play.hear({ state: 'Up' });
    play.input({ kind: 'tick' });
    expect(play.state.state).toBe('Up');
  });

  test('sections 6.8.1 and 6.8.18: after it nothing of the peer is kept, in whatever state', () => {
    const play = new Play();
    play.hear({ state: 'Up', requiredMinRxUs: 0 });
    expect(play.state.remote).toMatchObject({ discriminator: 7, minRxUs: 0 });
    play.run(150);
    expect(play.state).toMatchObject({ state: 'Down', heardAt: undefined, remote: { discriminator: 0, minRxUs: 1, demand: false } });
  });
});

describe('section 6.8.7: transmission', () => {
  test('the interval is the slower of our wish to send and the peer to receive, and follows at once', () => {
    const play = Play.up();
    expect([transmitIntervalMs(play.state), remoteDetectionTimeMs(play.state)]).toEqual([50, 150]);
    play.hear({ state: 'Up', requiredMinRxUs: 400_000 });
    expect(transmitIntervalMs(play.state)).toBe(400);
    play.run(100, { hear: { state: 'Up', requiredMinRxUs: 400_000 }, everyMs: 45 });
    // Section 6.8.3: not longer than the new interval between the previous packet and the next.
    play.hear({ state: 'Up', requiredMinRxUs: 20_000 });
    expect(transmitsAt(play.state)).toBeLessThanOrEqual(play.state.sentAt + 50);
  });

  test.each([
    [3, 75, 100],
    [1, 75, 90],
  ])('with a multiplier of %i each interval is %i to %i %% of it, drawn for each packet', (multiplier, low, high) => {
    const play = Play.up({ timers: { ...FAST, multiplier } });
    const factors: number[] = [];
    for (let i = 0; i < 500; i++) {
      const from = play.state.sentAt;
      play.run(transmitsAt(play.state) - play.now, { hear: { state: 'Up' }, everyMs: 30 });
      factors.push(((play.state.sentAt - from) / 50) * 100);
    }
    expect(Math.min(...factors)).toBeGreaterThanOrEqual(low - 1e-6);
    expect(Math.max(...factors)).toBeLessThanOrEqual(high + 1e-6);
    expect(Math.max(...factors) - Math.min(...factors)).toBeGreaterThan((high - low) * 0.9);
  });

  test('section 6.1: the passive role waits for a packet, and falls silent again when nobody is there', () => {
    const play = new Play({ role: 'passive' });
    play.run(10_000);
    expect(play.sent).toEqual([]);
    play.hear({ state: 'Down' });
    expect(play.sent).toMatchObject([{ state: 'Init', yourDiscriminator: 7 }]);
    play.run(3000);
    const count = play.sent.length;
    play.run(10_000);
    expect(play.state.state).toBe('Down');
    expect(play.sent).toHaveLength(count);
  });

  test('section 6.8.18: a peer that receives nothing is sent nothing but the answer to its Poll', () => {
    const play = Play.up();
    play.hear({ state: 'Up', requiredMinRxUs: 0 });
    play.run(5000, { hear: { state: 'Up', requiredMinRxUs: 0 }, everyMs: 40 });
    play.input({ kind: 'timers', timers: { ...FAST, receiveMs: 70 } });
    expect(play.sent).toEqual([]);
    expect(play.hear({ state: 'Up', requiredMinRxUs: 0, poll: true })).toMatchObject([{ kind: 'send', packet: { final: true } }]);
  });

  test('what is new is said at once, and once', () => {
    const play = new Play();
    play.outputs.length = 0;
    play.hear({ state: 'Down' });
    expect(play.sent).toMatchObject([{ state: 'Init', yourDiscriminator: 7 }]);
    play.hear({ state: 'Down' });
    expect(play.sent).toHaveLength(1);
  });

  test('sections 6.5 and 6.8.6: a Poll is answered at once with Final, and never with both bits', () => {
    const play = Play.up();
    play.input({ kind: 'timers', timers: { ...FAST, receiveMs: 80 } });
    play.outputs.length = 0;
    expect(play.hear({ state: 'Up', poll: true })).toMatchObject([{ kind: 'send', packet: { poll: false, final: true, state: 'Up' } }]);
  });

  test('an answer does not put off what is due: a peer that polls without end hears our Poll too', () => {
    const play = Play.up();
    play.input({ kind: 'timers', timers: { ...FAST, receiveMs: 80 } });
    play.outputs.length = 0;
    play.run(300, { hear: { state: 'Up', poll: true }, everyMs: 20 });
    expect(play.sent.some(({ poll }) => poll)).toBe(true);
    expect(play.sent.some(({ poll, final }) => poll && final)).toBe(false);
  });

  test('section 6.6: our own Demand mode and Echo are never offered', () => {
    const play = Play.up();
    play.run(1000, { hear: { state: 'Up' }, everyMs: 40 });
    expect(play.sent.every(({ demand, requiredMinEchoRxUs }) => !demand && requiredMinEchoRxUs === 0)).toBe(true);
  });
});

describe('section 6.8.3: timers', () => {
  test('not faster than 1 s while not Up; the wish itself from Up on, asked by Poll', () => {
    const play = new Play();
    play.hear({ state: 'Down' });
    play.run(2900);
    expect(play.sent.every(({ desiredMinTxUs }) => desiredMinTxUs === 1_000_000)).toBe(true);
    expect(play.sent.length).toBeLessThan(6);
    play.outputs.length = 0;
    play.hear({ state: 'Init' });
    expect(play.sent).toMatchObject([{ state: 'Up', desiredMinTxUs: 50_000, poll: true }]);
    expect(transmitIntervalMs(play.state)).toBe(50);
  });

  test('going down is slow again from the next packet on', () => {
    const play = Play.up();
    play.hear({ state: 'Down', yourDiscriminator: 42 });
    expect(play.sent).toMatchObject([{ state: 'Down', desiredMinTxUs: 1_000_000 }]);
    expect(transmitIntervalMs(play.state)).toBe(1000);
  });

  test('slower transmission waits until the peer has answered; faster does not', () => {
    const play = Play.up();
    play.input({ kind: 'timers', timers: { ...FAST, transmitMs: 200 } });
    expect(play.sent).toMatchObject([{ desiredMinTxUs: 200_000, poll: true }]);
    play.run(500, { hear: { state: 'Up' }, everyMs: 40 });
    expect(transmitIntervalMs(play.state)).toBe(50);
    play.hear({ state: 'Up', final: true });
    expect(transmitIntervalMs(play.state)).toBe(200);
    play.hear({ state: 'Up' });
    play.input({ kind: 'timers', timers: { ...FAST, transmitMs: 20 } });
    expect(transmitIntervalMs(play.state)).toBe(50);
    play.hear({ state: 'Up', requiredMinRxUs: 10_000 });
    expect(transmitIntervalMs(play.state)).toBe(20);
  });

  test('less Required Min RX shortens the Detection Time only when the peer has answered; more lengthens it at once', () => {
    const play = Play.up();
    const fastPeer = { state: 'Up', desiredMinTxUs: 10_000 } as const;
    play.hear(fastPeer);
    play.input({ kind: 'timers', timers: { ...FAST, receiveMs: 20 } });
    expect([play.sent[0]?.requiredMinRxUs, detectionTimeMs(play.state)]).toEqual([20_000, 150]);
    play.hear({ ...fastPeer, final: true });
    expect(detectionTimeMs(play.state)).toBe(60);
    play.hear(fastPeer);
    play.input({ kind: 'timers', timers: { ...FAST, receiveMs: 90 } });
    expect(detectionTimeMs(play.state)).toBe(270);
  });

  test('section 6.5: Poll is set on the periodic packets until Final comes, and there are no more packets than else', () => {
    const play = Play.up();
    play.input({ kind: 'timers', timers: { ...FAST, receiveMs: 90 } });
    play.outputs.length = 0;
    play.run(1000, { hear: { state: 'Up' }, everyMs: 40 });
    expect(play.sent.every(({ poll }) => poll)).toBe(true);
    expect(play.sent.length).toBeLessThanOrEqual(1000 / (50 * 0.75) + 1);
    play.hear({ state: 'Up', final: true });
    play.outputs.length = 0;
    play.run(200, { hear: { state: 'Up' }, everyMs: 40 });
    expect(play.sent.some(({ poll }) => poll)).toBe(false);
  });

  test('a second change waits until the first has been answered and a packet without Final has come', () => {
    const play = Play.up();
    play.input({ kind: 'timers', timers: { ...FAST, receiveMs: 60 } });
    play.input({ kind: 'timers', timers: { ...FAST, receiveMs: 70 } });
    play.outputs.length = 0;
    play.run(100, { hear: { state: 'Up' }, everyMs: 40 });
    expect(play.sent.every(({ requiredMinRxUs }) => requiredMinRxUs === 60_000)).toBe(true);
    play.outputs.length = 0;
    play.hear({ state: 'Up', final: true });
    play.hear({ state: 'Up', final: true });
    expect(play.sent).toEqual([]);
    play.hear({ state: 'Up' });
    expect(play.sent).toMatchObject([{ requiredMinRxUs: 70_000, poll: true }]);
  });

  test('a Final that nobody asked for ends nothing', () => {
    const play = new Play();
    play.hear({ state: 'Down' });
    // The answer to the peer's Poll carries none of ours, which waits for the next packet.
    play.hear({ state: 'Init', poll: true });
    play.hear({ state: 'Up', final: true });
    play.run(60);
    expect(play.sent.at(-1)).toMatchObject({ state: 'Up', poll: true });
  });

  test('section 6.8.12: the multiplier is told without a Poll', () => {
    const play = Play.up();
    play.input({ kind: 'timers', timers: { ...FAST, multiplier: 9 } });
    expect(play.sent).toMatchObject([{ multiplier: 9, poll: false }]);
  });
});
