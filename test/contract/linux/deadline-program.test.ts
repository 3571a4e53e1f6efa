import { spawn } from 'node:child_process';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { arpAnnouncement, arpGratuitousReply, arpProbe, arpRequest } from '../../../src/core/neighbor/arp.ts';
import { duplicateAddressSolicitation, neighborSolicitation, unsolicitedAdvertisement } from '../../../src/core/neighbor/ndp.ts';
import { createCell, loadClassifier } from '../../../src/drivers/linux/bpf/calls.ts';
import { CELL_WORDS, incomingProgram, outgoingProgram } from '../../../src/drivers/linux/bpf/deadline-program.ts';
import { boottime } from '../../../src/drivers/linux/boottime.ts';
import * as libc from '../../../src/drivers/linux/libc.ts';
import { synFrame } from '../../../src/lab/probe/syn.ts';
import { bpfProblem, verdictOf } from '../../support/bpf.ts';
import { until } from '../../support/hale.ts';

const problem = bpfProblem();
const DROP = 2;
const NEXT = -1;
const OURS = '02:00:00:00:77:01';
const THEIRS = '02:00:00:00:77:02';
// The first word of the third IPv6 address is that of the second: all four must be compared. The highest bits are set in one of IPv4.
const SHARED = ['10.77.0.100', '203.0.113.255', 'fd77::100', 'fd77::1:0:0:100'];
const V4 = SHARED.slice(0, 2);
const V6 = SHARED.slice(2);
const OTHER4 = '10.77.0.101';
const OTHER6 = 'fd77::101';

const syn = (source: string, target: string) =>
  synFrame({ sourceMac: THEIRS, targetMac: OURS, source, target, sourcePort: 40_000, targetPort: 6443 }, { sequence: 1 });
const otherOf = (address: string) => (address.includes(':') ? OTHER6 : OTHER4);
const from = (address: string) => ({ mac: THEIRS, address });

const incoming: [string, Uint8Array][] = [
  ...V4.map((a): [string, Uint8Array] => [`ARP request for ${a}`, arpRequest({ ...from(OTHER4), target: a })]),
  ...V4.map((a): [string, Uint8Array] => [`ARP probe for ${a}`, arpProbe(from(a))]),
  ...V6.map((a): [string, Uint8Array] => [`solicitation for ${a}`, neighborSolicitation({ ...from(OTHER6), target: a })]),
  ...V6.map((a): [string, Uint8Array] => [`duplicate address detection of ${a}`, duplicateAddressSolicitation(from(a))]),
  ...SHARED.map((a): [string, Uint8Array] => [`packet to ${a}`, syn(otherOf(a), a)]),
];
const outgoing: [string, Uint8Array][] = [
  ...V4.map((a): [string, Uint8Array] => [`ARP request in the name of ${a}`, arpRequest({ ...from(a), target: OTHER4 })]),
  ...V4.map((a): [string, Uint8Array] => [`ARP announcement of ${a}`, arpAnnouncement(from(a))]),
  ...V4.map((a): [string, Uint8Array] => [`ARP reply in the name of ${a}`, arpGratuitousReply(from(a))]),
  ...V6.map((a): [string, Uint8Array] => [`solicitation in the name of ${a}`, neighborSolicitation({ ...from(a), target: OTHER6 })]),
  ...V6.map((a): [string, Uint8Array] => [`advertisement of ${a}`, unsolicitedAdvertisement(from(a))]),
  ...SHARED.map((a): [string, Uint8Array] => [`packet from ${a}`, syn(a, otherOf(a))]),
];
const foreign: [string, Uint8Array][] = [
  ['ARP between others', arpRequest({ ...from(OTHER4), target: '10.77.0.1' })],
  ['solicitation between others', neighborSolicitation({ ...from(OTHER6), target: 'fd77::1' })],
  ['TCP between others, IPv4', syn(OTHER4, '10.77.0.1')],
  ['TCP between others, IPv6', syn(OTHER6, 'fd77::1')],
  ['a frame of an unknown kind', Buffer.concat([Buffer.alloc(12), Buffer.from([0x88, 0xcc]), Buffer.alloc(46)])],
  ['ARP that ends before its target', arpRequest({ ...from(OTHER4), target: '10.77.0.1' }).subarray(0, 30)],
];

describe.skipIf(problem)(`the deadline's programs in the kernel${problem ? `: skipped, ${problem}` : ''}`, () => {
  let fds: number[];
  let deadlineNs: BigUint64Array;
  let unmap: () => void;

  beforeEach(() => {
    fds = [];
    const map = createCell('hale_test', CELL_WORDS);
    const mapped = map.ok ? libc.mapShared(map.fd, 8 * CELL_WORDS) : undefined;
    if (!map.ok || mapped === undefined) throw new Error('no map');
    deadlineNs = new BigUint64Array(mapped.memory);
    unmap = mapped.unmap;
    const options = { addresses: SHARED, mapFd: map.fd, steering: false };
    const programs = [incomingProgram(options), outgoingProgram(options)].map((instructions) => loadClassifier('hale_test', instructions));
    fds = [map.fd, ...programs.map((program) => (program.ok ? program.fd : -1))];
    expect(programs).toEqual([expect.objectContaining({ ok: true }), expect.objectContaining({ ok: true })]);
  });
  afterEach(() => {
    unmap();
    for (const fd of fds) libc.close(fd);
  });

  const verdict = (direction: 'incoming' | 'outgoing', frame: Uint8Array): number =>
    verdictOf(fds[direction === 'incoming' ? 1 : 2] as number, frame);
  const openFor = (ms: number) => (deadlineNs[0] = BigInt(Math.floor((boottime.now() + ms) * 1e6)));

  test.each(incoming)('incoming %s passes before the deadline only', (_, frame) => {
    expect(verdict('incoming', frame)).toBe(DROP);
    openFor(60_000);
    expect(verdict('incoming', frame)).toBe(NEXT);
    openFor(0);
    expect(verdict('incoming', frame)).toBe(DROP);
  });

  test.each(outgoing)('outgoing %s passes before the deadline only', (_, frame) => {
    expect(verdict('outgoing', frame)).toBe(DROP);
    openFor(60_000);
    expect(verdict('outgoing', frame)).toBe(NEXT);
    openFor(0);
    expect(verdict('outgoing', frame)).toBe(DROP);
  });

  test.each(foreign)('%s passes both ways whatever the deadline is', (_, frame) => {
    expect([verdict('incoming', frame), verdict('outgoing', frame)]).toEqual([NEXT, NEXT]);
  });

  test("another host's packets and announcements come in: this host must hear who else claims the address (RFC 5227)", () => {
    expect(verdict('incoming', arpAnnouncement(from('10.77.0.100')))).toBe(NEXT);
    expect(verdict('incoming', arpGratuitousReply(from('10.77.0.100')))).toBe(NEXT);
    expect(verdict('incoming', unsolicitedAdvertisement(from('fd77::100')))).toBe(NEXT);
  });

  test("this host's packets to the address, as a client of another holder, go out", () => {
    expect(verdict('outgoing', syn('10.77.0.1', '10.77.0.100'))).toBe(NEXT);
    expect(verdict('outgoing', arpRequest({ ...from('10.77.0.1'), target: '10.77.0.100' }))).toBe(NEXT);
    expect(verdict('outgoing', neighborSolicitation({ ...from('fd77::1'), target: 'fd77::100' }))).toBe(NEXT);
  });

  test('signals that come meanwhile keep no program from being loaded', async () => {
    let handled = 0;
    const count = (): void => void handled++;
    process.on('SIGWINCH', count);
    const sender = spawn(process.execPath, ['-e', `setInterval(() => process.kill(${process.pid}, 'SIGWINCH'), 2)`]);
    try {
      await until(
        () => handled,
        (times) => times > 0,
        'signals come',
      );
      const instructions = incomingProgram({ addresses: SHARED, mapFd: fds[0] as number, steering: true });
      for (let i = 0; i < 1000; i++) {
        const loaded = loadClassifier('hale_test', instructions);
        expect(loaded).toMatchObject({ ok: true });
        if (loaded.ok) libc.close(loaded.fd);
      }
    } finally {
      sender.kill();
      process.off('SIGWINCH', count);
    }
  });

  test('a program that the verifier refuses is declined with its words', () => {
    // Reads the stack where nothing was written, in front of an exit without a result.
    const bad = Buffer.from('79a1f0ff000000009500000000000000', 'hex');
    expect(loadClassifier('hale_test', bad)).toEqual({ ok: false, reason: expect.stringMatching(/^load program hale_test: EACCES: /) });
  });
});
