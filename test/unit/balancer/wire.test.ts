import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { formatIp } from '../../../src/base/address.ts';
import { type Flow, flowHash, flowKey, PAGES, pageOf } from '../../../src/core/balancer/flow.ts';
import {
  type BalancerMessage,
  decodeBalancerMessage,
  encodeBalancerMessage,
  fitPage,
  leftOut,
  isBalancerPayload,
  packPages,
} from '../../../src/core/balancer/wire.ts';
import { encodeLeaseMessage } from '../../../src/core/lease/wire.ts';
import { PAYLOAD_BYTES_MAX } from '../../../src/core/session/wire.ts';

const port = fc.integer({ min: 1, max: 0xffff });
const ipv4 = fc.uint8Array({ minLength: 4, maxLength: 4 }).map(formatIp);
const ipv6 = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => formatIp(bytes.with(0, 0xfd)));
const flow: fc.Arbitrary<Flow> = fc.record({ address: fc.oneof(ipv4, ipv6), port });
const flows = fc.uniqueArray(flow, { selector: flowKey, maxLength: 2000, size: 'max' });
const u16 = fc.integer({ min: 0, max: 0xffff });
const message: fc.Arbitrary<BalancerMessage> = fc.oneof(
  fc.record({ kind: fc.constant('table' as const), opening: u16, established: u16, dead: u16 }),
  fc.constant({ kind: 'query' as const }),
  fc.uniqueArray(flow, { selector: flowKey, maxLength: 60 }).map((all) => ({ kind: 'flows' as const, first: 0, last: 255, flows: all })),
);

function byPage(all: readonly Flow[]): Flow[][] {
  const pages: Flow[][] = Array.from({ length: PAGES }, () => []);
  for (const one of all) pages[pageOf(flowHash(flowKey(one)))]?.push(one);
  return pages;
}

const keys = (all: readonly Flow[]) => all.map(flowKey).toSorted();

/** The message with its flows in one order, whatever order they came in. */
function sorted(original: BalancerMessage): unknown {
  return original.kind === 'flows' ? { ...original, flows: keys(original.flows) } : original;
}

test('every message survives the wire', () => {
  fc.assert(
    fc.property(message, (original) => {
      const decoded = decodeBalancerMessage(encodeBalancerMessage(original));
      expect(decoded.ok && sorted(decoded.message)).toEqual(sorted(original));
    }),
  );
});

test('a message has one encoding, whatever order its flows are in', () => {
  const some = [
    { address: '10.0.0.9', port: 2 },
    { address: 'fd00::9', port: 3 },
    { address: '10.0.0.9', port: 1 },
    { address: '9.255.0.0', port: 4 },
  ];
  const told = (all: Flow[]) => encodeBalancerMessage({ kind: 'flows', first: 0, last: 255, flows: all });
  expect(told(some.toReversed())).toEqual(told(some));
});

test('a message that is cut short, or has bytes too many, is a value with a reason', () => {
  fc.assert(
    fc.property(message, fc.nat(), (original, cut) => {
      const bytes = encodeBalancerMessage(original);
      expect(decodeBalancerMessage(bytes.subarray(0, cut % bytes.length)).ok).toBe(false);
      expect(decodeBalancerMessage(Uint8Array.of(...bytes, 0))).toEqual({ ok: false, reason: 'length' });
    }),
  );
});

test('no bytes make the decoder throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => void decodeBalancerMessage(Uint8Array.of(2, ...bytes))),
    { numRuns: 5000 },
  );
});

describe('refused is', () => {
  const one = encodeBalancerMessage({ kind: 'flows', first: 0, last: 255, flows: [{ address: '10.0.0.1', port: 5 }] });
  const page = pageOf(flowHash('10.0.0.1 5'));
  const refused = { ok: false, reason: 'value' };
  const six = (bytes: number[], at: number) => Uint8Array.of(2, 0, 0, 255, 0, 1, ...bytes, 0, at);

  test('a flow outside the pages that are told', () => {
    expect(decodeBalancerMessage(one.with(2, page).with(3, page)).ok).toBe(true);
    expect(decodeBalancerMessage(one.with(2, page + 1))).toEqual(refused);
    expect(decodeBalancerMessage(one.with(3, page - 1))).toEqual(refused);
    expect(decodeBalancerMessage(Uint8Array.of(2, 0, 7, 6, 0, 0))).toEqual(refused);
  });

  test('port 0, and an IPv4 address written as an IPv6 one', () => {
    const mapped = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1];
    expect(decodeBalancerMessage(one.with(one.length - 2, 0))).toEqual(refused);
    expect(decodeBalancerMessage(six(mapped, 5))).toEqual(refused);
    expect(decodeBalancerMessage(six(mapped.with(0, 0xfd), 5)).ok).toBe(true);
  });

  test('a flow twice, and flows that do not ascend', () => {
    const two = (a: number[], b: number[]) => decodeBalancerMessage(Uint8Array.of(2, 0, 0, 255, 2, ...a, ...b, 0));
    const [a, b] = [
      [10, 0, 0, 1, 0, 5],
      [10, 0, 0, 1, 0, 6],
    ] as const;
    expect(two([...a], [...b]).ok).toBe(true);
    expect(two([...b], [...a])).toEqual(refused);
    expect(two([...a], [...a])).toEqual(refused);
  });
});

test('the first byte tells the balancer from the lease', () => {
  expect(isBalancerPayload(encodeBalancerMessage({ kind: 'query' }))).toBe(true);
  expect(isBalancerPayload(encodeLeaseMessage({ kind: 'poll', round: { boot: 1, seq: 1 } }))).toBe(false);
  expect(isBalancerPayload(new Uint8Array())).toBe(false);
});

test('all pages packed one after the other tell every flow once, each datagram within the limit', () => {
  fc.assert(
    fc.property(flows, (all) => {
      const pages = byPage(all).map(fitPage);
      const told: Flow[] = [];
      for (let first = 0; first < PAGES; ) {
        const packed = packPages(first, (page) => pages[page] as readonly Flow[]);
        const bytes = encodeBalancerMessage(packed);
        expect(bytes.length).toBeLessThanOrEqual(PAYLOAD_BYTES_MAX);
        expect(decodeBalancerMessage(bytes).ok).toBe(true);
        told.push(...packed.flows);
        first = packed.last + 1;
      }
      expect(keys(told)).toEqual(keys(pages.flat()));
    }),
    { numRuns: 20 },
  );
});

test('of a page that does not fit the same flows are told in any order, 197 of IPv4 or 65 of IPv6', () => {
  const made = (base: string) =>
    Array.from({ length: 60_000 }, (_, i) => ({ address: base, port: i + 1 })).filter((f) => pageOf(flowHash(flowKey(f))) === 7);
  const [four, six] = [made('10.0.0.1'), made('fd00::1')];
  expect(four.length).toBeGreaterThan(197);
  expect(fitPage(four)).toHaveLength(197);
  expect(fitPage(six)).toHaveLength(65);
  expect(fitPage(four.toReversed())).toEqual(fitPage(four));
  for (const page of [four, six, [...six, ...four], [...six, ...four.slice(0, 100)], [...six.slice(0, 10), ...four.slice(0, 100)]])
    expect(leftOut(page)).toBe(page.length - fitPage(page).length);
  expect(encodeBalancerMessage({ kind: 'flows', first: 7, last: 7, flows: fitPage(four) }).length).toBeLessThanOrEqual(PAYLOAD_BYTES_MAX);
});

test('a host can tell 40,000 IPv4 flows, or 11,000 IPv6 flows, of clients with neighbouring addresses and ports', () => {
  const made = (count: number, address: (i: number) => string) =>
    Array.from({ length: count }, (_, i) => ({ address: address(i >> 4), port: 32_768 + (i & 15) * 2 }));
  const left = (all: Flow[]) => byPage(all).reduce((sum, page) => sum + leftOut(page), 0);
  expect(left(made(40_000, (i) => `10.1.${i >> 8}.${i & 255}`))).toBe(0);
  expect(left(made(11_000, (i) => `fd00::1:${i.toString(16)}`))).toBe(0);
});
