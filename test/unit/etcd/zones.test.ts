import { describe, expect, test } from 'vitest';
import { endpointRows } from '../../../src/core/etcd/rows.ts';
import { parseEtcdUrl } from '../../../src/core/etcd/url.ts';
import { zonesOf, zonesText } from '../../../src/core/etcd/zones.ts';
import { viewWith } from './facts.ts';

const host = (i: number, zone: string) => ({ name: `h${i}`, addresses: [{ address: `10.0.0.${10 + i}` }], zone });
const five = [{}, {}, {}, {}, {}];

describe('zones', () => {
  const text = (view: ReturnType<typeof viewWith>, zones: readonly string[]) =>
    zonesText(
      zonesOf(
        view,
        zones.map((zone, i) => host(i + 1, zone)),
      ),
      view.quorum,
    );

  test('each may fail while fewer than a majority are in it', () => {
    expect(text(viewWith({ members: five }), ['a', 'a', 'b', 'b', 'c'])).toBe('any one zone of a, b, c may fail');
    expect(text(viewWith({ members: five }), ['a', 'a', 'a', 'b', 'c'])).toBe('the quorum goes with zone a (m1, m2, m3)');
  });

  test('what is down already counts: then a zone may cost the quorum that would not otherwise', () => {
    const view = viewWith({ members: five, statuses: [{}, {}, {}, {}, 'down'] });
    expect(text(view, ['a', 'a', 'b', 'b', 'c'])).toBe('the quorum goes with zone a (m1, m2), or with zone b (m3, m4)');
  });

  test('learners do not count, nor does anything when the quorum is lost or no host has a zone', () => {
    const view = viewWith({ members: [{}, {}, {}, { isLearner: true }], statuses: [{}, {}, {}, { isLearner: true }] });
    expect(text(view, ['a', 'b', 'c', 'c'])).toBe('any one zone of a, b, c may fail');
    expect(text(viewWith({ statuses: ['down', 'down', {}] }), ['a', 'b', 'c'])).toBeUndefined();
    expect(text(viewWith(), [])).toBeUndefined();
  });
});

describe('rows for hale status', () => {
  const urls = [11, 12, 13].map((last) => `https://10.0.0.${last}:2379`);

  test('are in the order of the endpoints, with the reason where there is no answer', () => {
    const rows = endpointRows(viewWith({ statuses: [{}, 'refused', { raftAppliedIndex: 8990 }] }), urls.toReversed());
    expect(rows.map(({ endpoint, isLeader, lag, problem, member }) => [endpoint, isLeader, lag, problem, member?.memberId])).toEqual([
      [urls[2], false, 10, undefined, 'c3'],
      [urls[1], false, null, 'refused', undefined],
      [urls[0], true, 0, undefined, 'a1'],
    ]);
  });

  test('come for members that no endpoint leads to, and for endpoints that lead to none', () => {
    const rows = endpointRows(viewWith(), [`${urls[0]}/`, 'https://10.9.9.9:2379']);
    expect(rows.map(({ endpoint, problem }) => [endpoint, problem])).toEqual([
      [`${urls[0]}/`, undefined],
      ['https://10.9.9.9:2379', 'gave no answer'],
      [urls[1], undefined],
      [urls[2], undefined],
    ]);
  });

  test('come when nobody answers', () => {
    const rows = endpointRows(viewWith({ statuses: ['refused', 'refused', 'late'] }), urls);
    expect(rows.map(({ problem }) => problem)).toEqual(['refused', 'refused', 'late']);
  });
});

test.each([
  ['https://10.0.0.11:2380', { scheme: 'https', host: '10.0.0.11', port: 2380 }],
  ['http://[fd00::1]:2380/', { scheme: 'http', host: 'fd00::1', port: 2380 }],
  ['https://cp1.example', { scheme: 'https', host: 'cp1.example', port: undefined }],
  ['unix://localhost:1', undefined],
])('the URL %s', (text, wanted) => {
  expect(parseEtcdUrl(text)).toEqual(wanted);
});
