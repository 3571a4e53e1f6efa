import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { rules } from '../../../src/core/doctor/rules/index.ts';
import { idsOf, isFound, readDoctorCases } from '../../support/doctor-cases.ts';

const cases = readDoctorCases(join(import.meta.dirname, '../../doctor-cases'));

test('there are enough configurations of others', () => {
  expect(cases.filter(({ kind }) => kind === 'found').length).toBeGreaterThanOrEqual(70);
  expect(cases.filter(({ kind }) => kind === 'known-good').length).toBeGreaterThanOrEqual(15);
});

test.each(cases.filter(({ kind }) => kind === 'known-good').map((one) => [one.name, one] as const))('%s is left in peace', (_, one) => {
  expect(one.found.filter(({ severity }) => severity !== 'info')).toEqual([]);
});

describe.each(cases.map((one) => [one.name, one] as const))('%s', (_, { findings, found, texts }) => {
  test('is judged by lines that are there, and rules that are there', () => {
    const ids = new Set(rules.map(({ id }) => id));
    expect(findings.flatMap(idsOf).filter((id) => !ids.has(id))).toEqual([]);
    const places = findings.flatMap((one) => [one, ...(one.alsoAt ?? []), ...(one.foundAt ?? [])]);
    expect(places.filter(({ file, line }) => line > (texts.get(file)?.split('\n').length ?? 0))).toEqual([]);
    expect(findings.filter((one) => idsOf(one).length === 0 && one.reason === undefined)).toEqual([]);
  });

  test('has each problem found at its line that a rule is named for', () => {
    expect(findings.filter((one) => idsOf(one).length > 0 && one.reason === undefined && !isFound(one, found))).toEqual([]);
  });
});
