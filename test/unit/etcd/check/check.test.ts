import { describe, expect, test } from 'vitest';
import { type CheckFacts, judgeCheck } from '../../../../src/core/etcd/check/check.ts';
import { findingsOf } from '../../../../src/core/etcd/check/judgement.ts';
import type { SnapshotSchedule } from '../../../../src/core/etcd/snapshot/last-save.ts';
import { certificate, checkFacts, limits, NOW_MS, observation, type Planted } from '../facts.ts';

const DAY_MS = 86_400_000;
const GIB = 1024 ** 3;

const found = (facts: CheckFacts) =>
  findingsOf(judgeCheck(facts, limits)).map(({ id, place, severity, value, says }) => ({ id, place, severity, value, says }));
const idsAt = (facts: CheckFacts) => found(facts).map(({ id, place }) => `${place} ${id}`);
const inView = (view: Planted) => idsAt(checkFacts({ view }));
const notJudged = (facts: CheckFacts) =>
  judgeCheck(facts, limits)
    .filter(({ verdict }) => verdict === 'not-judged')
    .map(({ id, place }) => `${place} ${id}`);

test('a cluster that is well has no finding, and everything is judged', () => {
  expect(found(checkFacts())).toEqual([]);
  expect(notJudged(checkFacts())).toEqual([]);
});

test('every finding says why it matters and what to do', () => {
  const bad = checkFacts({ view: { members: [{}, {}], statuses: [{}, 'no answer'] }, ownCertificate: certificateEnding(-1) });
  const findings = findingsOf(judgeCheck(bad, limits));
  expect(findings.length).toBeGreaterThan(3);
  for (const { why, remedy, severity } of findings) expect([why, remedy, severity].every((text) => (text ?? '').length > 5)).toBe(true);
});

function certificateEnding(days: number) {
  return { ...certificate('CN=x'), notAfter: new Date(NOW_MS + days * DAY_MS).toISOString() };
}

describe('members', () => {
  test.each<[string, Planted, string[]]>([
    ['one that is silent', { statuses: [{}, {}, 'no answer'] }, ['m3 answer']],
    [
      'no quorum',
      { statuses: [{ leaderId: undefined, errors: ['etcdserver: no leader'] }, 'no answer', 'no answer'] },
      ['cluster quorum', 'm2 answer', 'm3 answer'],
    ],
    ['one that knows no leader', { statuses: [{}, {}, { leaderId: undefined, errors: ['etcdserver: no leader'] }] }, ['m3 leader']],
    ['one that follows another', { statuses: [{}, {}, { leaderId: 'c3', raftTerm: 6 }] }, ['m3 leader']],
    ['one that lags', { statuses: [{}, {}, { raftAppliedIndex: 3000 }] }, ['m3 lag']],
    ['one that complains', { statuses: [{}, {}, { errors: ['disk is on fire'] }] }, ['m3 error']],
    ['an alarm', { statuses: [{ errors: ['memberID:178 alarm:NOSPACE '] }] }, ['m2 alarm']],
    ['one alone', { members: [{}] }, ['cluster members']],
    ['two', { members: [{}, {}] }, ['cluster members']],
    ['four', { members: [{}, {}, {}, {}] }, ['cluster members']],
    ['five', { members: [{}, {}, {}, {}, {}] }, []],
    ['nine', { members: [{}, {}, {}, {}, {}, {}, {}, {}, {}] }, ['cluster members']],
    ['a learner left behind', { members: [{}, {}, {}, { isLearner: true }], statuses: [{}, {}, {}, { isLearner: true }] }, ['m4 learner']],
    ['one that never started', { members: [{}, {}, {}, { isLearner: true, name: '', clientUrls: [] }] }, ['member d4 answer']],
    ['one near its quota', { statuses: [{}, {}, { dbSizeBytes: 8 * GIB * 0.79, quotaBytes: 8 * GIB }] }, []],
    ['one nearer', { statuses: [{}, {}, { dbSizeBytes: 0.85 * GIB, quotaBytes: GIB }] }, ['m3 quota']],
    ['a database past what etcd suggests', { statuses: [{}, {}, { dbSizeBytes: 7 * GIB, quotaBytes: 16 * GIB }] }, ['m3 database']],
    ['two versions', { statuses: [{}, {}, { version: '3.5.33' }] }, ['cluster version']],
    [
      'a version that loses data',
      { statuses: [{ version: '3.5.2' }, { version: '3.5.2' }, { version: '3.5.2' }] },
      ['m1', 'm1', 'm1', 'm2', 'm2', 'm2', 'm3', 'm3', 'm3'].map((m) => `${m} known-fault`),
    ],
    [
      'one fault later',
      { statuses: [{ version: '3.5.5' }, { version: '3.5.5' }, { version: '3.5.5' }] },
      ['m1', 'm2', 'm3', 'm1', 'm2', 'm3'].map((m) => `${m} known-fault`),
    ],
    ['the last fault mended', { statuses: [{ version: '3.5.25' }, { version: '3.5.25' }, { version: '3.5.25' }] }, []],
    ['without TLS between them', { members: [{}, {}, { peerUrls: ['http://10.0.0.13:2380'] }] }, ['m3 peer-url']],
    ['at one place', { members: [{}, {}, { peerUrls: ['https://10.0.0.12:2380'] }] }, ['m2 peer-url', 'm3 peer-url']],
    ['at itself', { members: [{}, {}, { peerUrls: ['https://127.0.0.1:2380'] }] }, ['m3 peer-url']],
    ['all at one machine, as in a laboratory', { members: [1, 2, 3].map((port) => ({ peerUrls: [`https://127.0.0.1:${port}`] })) }, []],
  ])('%s', (_, planted, wanted) => {
    expect(inView(planted).toSorted()).toEqual(wanted.toSorted());
  });

  test('where nobody answers, that is said and nothing else is claimed', () => {
    const facts = checkFacts({ view: { statuses: ['refused', 'refused', 'refused'] } });
    expect(new Set(idsAt(facts).map((text) => text.split(' ')[1]))).toEqual(new Set(['quorum', 'stranger']));
  });

  test('a zone with too many voters is named, by address or name of its hosts', () => {
    const host = (i: number, zone: string) => ({ name: `m${i}`, addresses: [{ address: `10.0.0.${10 + i}` }], zone });
    const two = checkFacts({ hosts: [host(1, 'a'), host(2, 'a'), host(3, 'b')] });
    expect(found(two)).toMatchObject([{ id: 'zone', place: 'cluster', value: 'a' }]);
    expect(found(checkFacts({ hosts: [host(1, 'a'), host(2, 'b'), host(3, 'c')] }))).toEqual([]);
  });
});

describe('certificates', () => {
  const seen = (days: number) => new Map([['c3', [{ ...observation(), certificate: certificateEnding(days) }]]]);
  const all = (days: number) => new Map([...checkFacts().observations, ...seen(days)]);

  test('that of a member', () => {
    expect(found(checkFacts({ observations: all(29) }))).toMatchObject([{ id: 'server-certificate', place: 'm3', severity: 'warning' }]);
    expect(found(checkFacts({ observations: all(-1) }))).toMatchObject([{ id: 'server-certificate', place: 'm3', severity: 'critical' }]);
    expect(found(checkFacts({ observations: all(31) }))).toEqual([]);
  });

  test('that of a member, which is why it cannot be asked', () => {
    const shownCertificates = new Map([['c3', certificateEnding(-2)]]);
    expect(idsAt(checkFacts({ view: { statuses: [{}, {}, 'its certificate is not trusted'] }, shownCertificates }))).toEqual([
      'm3 server-certificate',
      'm3 answer',
    ]);
  });

  test("this host's own", () => {
    expect(found(checkFacts({ ownCertificate: certificateEnding(3) }))).toMatchObject([{ id: 'client-certificate', place: 'this host' }]);
  });

  test('between members: what it names, and its end', () => {
    const end = (rest: object) =>
      new Map(
        [...checkFacts().peerEnds].map(([url, at]) => [
          url,
          url.includes('.13') ? { ...at, certificate: { ...certificateEnding(90), namesHost: true, ...rest } } : at,
        ]),
      );
    expect(found(checkFacts({ peerEnds: end({}) }))).toEqual([]);
    expect(found(checkFacts({ peerEnds: end({ namesHost: false }) }))).toMatchObject([{ id: 'peer-certificate', place: 'm3' }]);
    expect(found(checkFacts({ peerEnds: end(certificateEnding(1)) }))).toMatchObject([{ id: 'peer-certificate', place: 'm3' }]);
  });

  test('a peer port that this host cannot reach is not judged; a name that does not resolve is a finding', () => {
    const url = 'https://10.0.0.13:2380';
    const unseen = (addresses: string[]) =>
      checkFacts({ peerEnds: new Map([...checkFacts().peerEnds, [url, { url, addresses, problem: 'refused', certificate: null }]]) });
    expect(idsAt(unseen(['10.0.0.13']))).toEqual([]);
    expect(notJudged(unseen(['10.0.0.13']))).toEqual(['m3 peer-certificate']);
    expect(idsAt(unseen([]))).toEqual(['m3 peer-url']);
  });
});

describe('load', () => {
  const latency = { puts: 200, failed: 0, firstFailure: null, p50Ms: 3, p99Ms: 9, maxMs: 12, leftover: null };

  test('writes that are slow, or fail', () => {
    expect(idsAt(checkFacts({ latency: { ...latency, p99Ms: 101 } }))).toEqual(['cluster latency']);
    expect(found(checkFacts({ latency: { ...latency, failed: 2, firstFailure: 'no space' } }))).toMatchObject([
      { id: 'latency', severity: 'critical' },
    ]);
    expect(idsAt(checkFacts({ latency: { ...latency, puts: 3, failed: 3, p50Ms: null, p99Ms: null } }))).toEqual(['cluster latency']);
  });

  test('that was not put on is not judged', () => {
    const facts = checkFacts({ latency: { skipped: 'the alarm NOSPACE is raised' }, values: { skipped: 'as was asked for' } });
    expect([idsAt(facts), notJudged(facts)]).toEqual([[], ['cluster latency', 'cluster value-size']]);
  });

  test('a disk is judged by what lies between two looks', () => {
    const observations = new Map(
      [...checkFacts().observations].map(([id]) => [
        id,
        [observation({ fsync: [1000] }, 0), observation({ fsync: [1000, 0, 0, 0, 0, 200] }, 2000)],
      ]),
    );
    expect(found(checkFacts({ observations }))).toMatchObject(
      ['m1', 'm2', 'm3'].map((place) => ({ id: 'disk', place, severity: 'warning' })),
    );
    expect(found(checkFacts({ observations }))[0]?.says).toContain('over the last 2.0 s');
  });

  test('a leader that changed meanwhile', () => {
    const observations = new Map([
      ...checkFacts().observations,
      ['a1', [observation({ leaderChanges: 1 }), observation({ leaderChanges: 2 }, 1000)]],
    ]);
    expect(idsAt(checkFacts({ observations }))).toEqual(['m1 counters']);
  });
});

describe('values and history', () => {
  const values = { keys: 10, bytes: 1000, total: 10, complete: true, largest: [{ key: '/registry/big', bytes: 1_300_000 }] };

  test('a value near the limit of a request is named', () => {
    const [only] = found(checkFacts({ values }));
    expect(only).toMatchObject({ id: 'value-size', value: '1.2 MiB', says: expect.stringContaining('/registry/big') });
    expect(found(checkFacts({ values: { ...values, largest: [{ key: 'a', bytes: 1_250_000 }] } }))).toEqual([]);
  });

  test('a walk that did not reach the end claims nothing good', () => {
    const partly = { ...values, complete: false, total: 100, largest: [{ key: 'a', bytes: 9 }] };
    expect([idsAt(checkFacts({ values: partly })), notJudged(checkFacts({ values: partly }))]).toEqual([[], ['cluster value-size']]);
  });

  const history = (revision: number, counted: object) =>
    idsAt(
      checkFacts({
        view: { statuses: [{ revision }, { revision }, { revision }] },
        observations: new Map([...checkFacts().observations].map(([id]) => [id, [observation(counted)]])),
      }),
    );

  test.each([
    ['compacted lately', 900_000, {}, []],
    ['not for two hours', 900_000, { compactedAt: NOW_MS / 1000 - 7200 }, ['cluster compaction']],
    ['not for two hours, with next to no history', 9000, { compactedAt: NOW_MS / 1000 - 7200 }, []],
    ['never since a start that is long ago', 900_000, { compactRevision: -1, compactedAt: 0 }, ['cluster compaction']],
    ['never since a start a minute ago', 900_000, { compactRevision: -1, compactedAt: 0, startedAt: NOW_MS / 1000 - 60 }, []],
  ])('history that was %s', (_, revision, counted, wanted) => {
    expect(history(revision, counted)).toEqual(wanted);
  });
});

describe('the newest snapshot', () => {
  const snapshotOf = (minutes: number | undefined, snapshots: SnapshotSchedule) => {
    const takenAt = new Date(NOW_MS - (minutes ?? 0) * 60_000).toISOString();
    const record = minutes === undefined ? undefined : { takenAt, revision: 1, host: 'cp1', place: '/srv' };
    const judgements = judgeCheck(checkFacts({ snapshot: { record } }), { ...limits, snapshots });
    return judgements.filter(({ id }) => id === 'snapshot').map(({ verdict, severity, value }) => [verdict, severity, value]);
  };

  test.each<[string, number | undefined, SnapshotSchedule, unknown[]]>([
    ['in time', 180, { everyMinutes: 60 }, ['good', null, '180 minutes']],
    ['too old', 181, { everyMinutes: 60 }, ['finding', 'warning', '181 minutes']],
    ['older than was said', 31, { everyMinutes: 60, alertAfterMinutes: 30 }, ['finding', 'warning', '31 minutes']],
    ['missing', undefined, { everyMinutes: 60 }, ['finding', 'warning', 'none']],
    ['missing where nobody wants one', undefined, {}, ['not-judged', null, null]],
    ['old where nobody said how old', 1e6, {}, ['not-judged', null, null]],
  ])('%s', (_, minutes, schedule, wanted) => {
    expect(snapshotOf(minutes, schedule)).toEqual([wanted]);
  });

  test('that could not be read is not judged', () => {
    expect(notJudged(checkFacts({ snapshot: { skipped: 'no answer' } }))).toEqual(['cluster snapshot']);
  });
});
