import { describe, expect, test } from 'vitest';
import { examine } from '../../../src/core/doctor/examine.ts';
import { gather } from '../../../src/core/doctor/gather.ts';
import type { Example, Rule } from '../../../src/core/doctor/rule.ts';
import { rules } from '../../../src/core/doctor/rules/index.ts';

const found = (rule: Rule, example: Example) => {
  const files = Object.entries(example).map(([path, text]) => ({ file: { path, text }, isNamed: true }));
  return examine(gather(files), [rule]);
};

/** Its edits carried out, last first, so that places stay right. */
function mended(example: Example, rule: Rule): Example {
  const edits = found(rule, example).flatMap((finding) => finding.edits);
  return Object.fromEntries(
    Object.entries(example).map(([path, text]) => {
      const own = edits.filter(({ span }) => span.file.path === path).sort((a, b) => b.span.start - a.span.start);
      return [path, own.reduce((before, edit) => before.slice(0, edit.span.start) + edit.text + before.slice(edit.span.end), text)];
    }),
  );
}

test('ids are unique, and in kebab-case', () => {
  const ids = rules.map(({ id }) => id);
  expect(ids).toEqual([...new Set(ids)]);
  expect(ids.filter((id) => !/^[a-z0-9]+(-[a-z0-9]+)+$/.test(id))).toEqual([]);
});

describe.each(rules.map((rule) => [rule.id, rule] as const))('%s', (_, rule) => {
  test('hits in each of its bad examples', () => {
    // What no text can be is tried with real files in bad-input.test.ts.
    expect(rule.examples.bad.length > 0).toBe(rule.examples.badInWords === undefined);
    for (const example of rule.examples.bad) expect(found(rule, example)).not.toEqual([]);
  });

  test('does not hit in any of its good examples', () => {
    expect(rule.examples.good.length).toBeGreaterThan(0);
    for (const example of rule.examples.good) expect(found(rule, example)).toEqual([]);
  });

  test('its edits, where it has any, leave nothing to find', () => {
    for (const example of rule.examples.bad) {
      const findings = found(rule, example);
      if (findings.every(({ edits }) => edits.length > 0)) expect(found(rule, mended(example, rule))).toEqual([]);
    }
  });

  test('its texts are whole', () => {
    expect(rule.title).not.toMatch(/[.\n]$|^[A-Z][a-z]/);
    expect([rule.why, rule.fix].filter((text) => !/[.)]$/.test(text))).toEqual([]);
    expect(rule.sources.length).toBeGreaterThan(0);
    for (const example of rule.examples.bad)
      for (const { message } of found(rule, example)) expect(message).not.toMatch(/\.$|\n|undefined/);
  });
});
