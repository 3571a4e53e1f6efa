import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatIp } from '../../../src/base/address.ts';
import { type Flow, flowHash, flowKey, PAGES, pageOf } from '../../../src/core/balancer/flow.ts';
import { FlowBook, FlowListing } from '../../../src/core/balancer/flow-book.ts';

const flow: fc.Arbitrary<Flow> = fc.record({
  address: fc.oneof(
    fc.uint8Array({ minLength: 4, maxLength: 4 }).map(formatIp),
    fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => formatIp(bytes.with(0, 0xfd))),
  ),
  port: fc.integer({ min: 1, max: 0xffff }),
});
const flows = fc.uniqueArray(flow, { selector: flowKey, maxLength: 80 });
const keys = (all: readonly Flow[]) => all.map(flowKey).toSorted();
const pageOfFlow = (one: Flow) => pageOf(flowHash(flowKey(one)));
const within = (all: readonly Flow[], first: number, last: number) => all.filter((f) => pageOfFlow(f) >= first && pageOfFlow(f) <= last);
const everything = { first: 0, last: PAGES - 1 };
const [one, other] = [
  { address: '10.0.0.1', port: 1 },
  { address: 'fd00::1', port: 2 },
];

test('a page replaces what was known of it, of this member only, and says what changed', () => {
  const book = new FlowBook(3);
  expect(book.replace(1, { ...everything, flows: [one, other] })).toEqual({ added: [one, other], removed: [] });
  expect(book.replace(2, { ...everything, flows: [one] })).toEqual({ added: [one], removed: [] });
  const page = pageOfFlow(one);
  expect(book.replace(1, { first: page, last: page, flows: [] })).toEqual({ added: [], removed: [one] });
  expect([book.flowsOf(0), book.flowsOf(1), book.flowsOf(2)]).toEqual([[], [other], [one]]);
});

test('a page that comes twice changes nothing, and a member that does not exist has no flows', () => {
  const book = new FlowBook(3);
  book.replace(1, { ...everything, flows: [one] });
  expect(book.replace(1, { ...everything, flows: [one] })).toBeUndefined();
  expect(book.replace(7, { ...everything, flows: [one] })).toBeUndefined();
  expect(book.flowsOf(7)).toEqual([]);
});

test('whatever was known before and in whatever ranges it is told, all pages told make the book equal to the listing', () => {
  fc.assert(
    fc.property(flows, flows, fc.uniqueArray(fc.integer({ min: 1, max: PAGES - 1 })), (before, after, cuts) => {
      const book = new FlowBook(2);
      book.replace(1, { ...everything, flows: before });
      const known = new Map(before.map((f) => [flowKey(f), f]));
      const starts = [0, ...cuts.toSorted((a, b) => a - b)];
      for (const [i, first] of starts.entries()) {
        const last = (starts[i + 1] ?? PAGES) - 1;
        const delta = book.replace(1, { first, last, flows: within(after, first, last) });
        for (const removed of delta?.removed ?? []) expect(known.delete(flowKey(removed))).toBe(true);
        for (const added of delta?.added ?? []) expect(known.set(flowKey(added), added).size).toBeGreaterThan(0);
      }
      expect(keys(book.flowsOf(1))).toEqual(keys(after));
      // The deltas alone lead to the same.
      expect([...known.keys()].toSorted()).toEqual(keys(after));
    }),
  );
});

test('the changed pages of a listing are those in which a flow came or went, in whatever order and portions the kernel lists them', () => {
  fc.assert(
    fc.property(flows, flows, fc.nat(), (kept, changed, cut) => {
      const [gone, come] = [changed.slice(0, cut % 80), changed.slice(cut % 80)];
      const fresh = kept.filter((f) => !changed.some((c) => flowKey(c) === flowKey(f)));
      const earlier = new FlowListing();
      earlier.add([...fresh, ...gone]);
      const later = new FlowListing();
      later.add(come);
      later.add(fresh.toReversed());
      expect(later.changedSince(earlier)).toEqual([...new Set(changed.map(pageOfFlow))].toSorted((a, b) => a - b));
      expect(keys(Array.from({ length: PAGES }, (_, page) => later.page(page)).flat())).toEqual(keys([...fresh, ...come]));
    }),
  );
});

test('the first listing has all pages to tell, also the empty ones: an earlier run may have told of flows', () => {
  expect(new FlowListing().changedSince(undefined)).toHaveLength(PAGES);
});

test('flows for which a page has no room are counted', () => {
  const listing = new FlowListing();
  const page = Array.from({ length: 60_000 }, (_, i) => ({ address: 'fd00::1', port: i + 1 })).filter((f) => pageOfFlow(f) === 3);
  listing.add(page);
  expect(listing.page(3)).toHaveLength(65);
  expect(listing.truncated).toBe(page.length - 65);
});
