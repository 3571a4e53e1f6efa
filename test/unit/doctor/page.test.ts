/** docs/internals/doctor.md says which rule finds what people suffer; a rule that is renamed or gone must not stay there. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { rules } from '../../../src/core/doctor/rules/index.ts';

const page = readFileSync(join(import.meta.dirname, '../../../docs/internals/doctor.md'), 'utf8');
const rows = page.split('\n').flatMap((line) => (/^\| (?!---|What|Correction)/.test(line) ? [line.split(' | ').slice(1).join(' ')] : []));

test('every rule that the tables of the page name is there', () => {
  const named = rows.flatMap((cell) => [...cell.replaceAll(/\(.*?\)/g, '').matchAll(/`([a-z0-9-]+)`/g)].map((match) => match[1]));
  const ids = new Set<string | undefined>(rules.map(({ id }) => id));
  expect(named.length).toBeGreaterThan(150);
  expect(named.filter((id) => !ids.has(id))).toEqual([]);
});

test('each row names a rule, or says why there is none', () => {
  expect(rows.length).toBeGreaterThan(90);
  expect(rows.filter((cell) => !/`[a-z0-9-]+`|not visible in files|not a mistake|as in the row/.test(cell))).toEqual([]);
});
