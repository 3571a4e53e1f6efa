import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type JournalEvent, type Stand, standOf, standText, stepsLeft } from '../../../src/core/etcd/rebuild/journal.ts';
import type { Operation } from '../../../src/core/etcd/rebuild/step.ts';
import { openJournals } from '../../../src/drivers/journal.ts';

const step = (id: string, more: object = {}) => ({ id, does: `do ${id}`, phases: [], ...more });
const operation: Operation = {
  id: '20260101-000000',
  kind: 'restore',
  where: 'lab demo',
  steps: [step('a'), step('b'), step('c', { opens: true }), step('d')],
  losses: [],
  notes: [],
  afterwards: [],
};
const plan: JournalEvent = { kind: 'plan', operation };
const begun = (id: string): JournalEvent => ({ kind: 'begun', step: id });
const done = (id: string): JournalEvent => ({ kind: 'done', step: id, facts: {} });
const stand = (...events: JournalEvent[]) => standOf(events.map((event, i) => ({ at: `T${i}`, ...event })));

describe('where an operation stands', () => {
  test('without a plan nothing was done', () => expect(stand()).toBeUndefined());

  test('what was begun and not done is still to be done, and may have to be put back', () => {
    const seen = stand(plan, begun('a'), done('a'), begun('b'));
    expect(seen && stepsLeft(seen).map(({ id }) => id)).toEqual(['b', 'c', 'd']);
    expect(seen?.begun.map(({ id }) => id)).toEqual(['a', 'b']);
    expect(seen?.openedAt).toBeUndefined();
    expect(seen && standText(seen)).toBe(
      'restore 20260101-000000 of lab demo is not finished: 1 of 4 steps are done, and "do b" was begun. Nothing that runs was touched',
    );
  });

  test('what is stopped meanwhile is told', () => {
    const steps = ['stop-apiserver', 'stop-etcd', 'keep', 'start-etcd', 'start-apiserver'].map((id) => step(id));
    const after = (...ids: string[]) =>
      standText(stand({ kind: 'plan', operation: { ...operation, steps } }, ...ids.flatMap((id) => [begun(id), done(id)])) as Stand);
    expect(after('stop-apiserver', 'stop-etcd')).toMatch(/Stopped meanwhile, and kept from starting: etcd, the API servers$/);
    expect(after('stop-apiserver', 'stop-etcd', 'keep', 'start-etcd')).toMatch(/: the API servers$/);
    expect(after(...steps.map(({ id }) => id))).toMatch(/etcd and an API server run$/);
  });

  test('clients may have written as soon as the step that lets them was begun', () => {
    expect(stand(plan, begun('a'), done('a'), begun('b'), done('b'), begun('c'))?.openedAt).toBe('T5');
  });

  test('a failure is told until the next attempt', () => {
    const failed = [plan, begun('a'), { kind: 'failed', step: 'a', reason: 'no room' } as const];
    expect(stand(...failed)?.failure).toEqual({ step: 'a', reason: 'no room' });
    expect(stand(...failed, begun('a'))?.failure).toBeUndefined();
  });

  test('what is put back is neither done nor begun any more, and what was half put back is begun', () => {
    const half = stand(plan, begun('a'), done('a'), begun('b'), done('b'), { kind: 'undoing', step: 'b' });
    expect([half?.state, half?.begun.map(({ id }) => id), [...(half?.done ?? [])]]).toEqual(['rolling back', ['a', 'b'], ['a']]);
    const whole = stand(
      plan,
      begun('a'),
      { kind: 'undoing', step: 'a' },
      { kind: 'undone', step: 'a' },
      { kind: 'closed', how: 'rolled back' },
    );
    expect([whole?.state, whole?.begun]).toEqual(['rolled back', []]);
  });
});

describe('a journal on disk', () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'hale-journal-'))));
  afterEach(() => rmSync(folder, { recursive: true }));

  test('keeps its entries for nobody else, and shows an operation as open until it is closed', () => {
    const journals = openJournals(folder);
    expect(journals.open()).toBeUndefined();
    const journal = journals.create('etcd-restore-1');
    expect(journals.open()).toBeUndefined();
    journal.append(plan);
    journal.append(begun('a'));
    expect(journals.open()?.stand.begun.map(({ id }) => id)).toEqual(['a']);
    expect(statSync(join(folder, 'etcd-restore-1.jsonl')).mode & 0o777).toBe(0o600);
    journal.append({ kind: 'closed', how: 'finished' });
    expect(journals.open()).toBeUndefined();
  });

  test('an entry that a power cut left by half is none, and the next stands on a line of its own', () => {
    const journal = openJournals(folder).create('etcd-restore-1');
    journal.append(plan);
    const path = join(folder, 'etcd-restore-1.jsonl');
    appendFileSync(path, '{"at":"T","kind":"done","st');
    expect(journal.read().map(({ kind }) => kind)).toEqual(['plan']);
    journal.append(begun('a'));
    expect(journal.read().map(({ kind }) => kind)).toEqual(['plan', 'begun']);
    expect(readFileSync(path, 'utf8').endsWith('\n')).toBe(true);
  });

  test('is one process’s alone', () => {
    openJournals(folder);
    expect(() => openJournals(folder)).toThrow(expect.objectContaining({ code: 'operation_running' }));
  });
});
