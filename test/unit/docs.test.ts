import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readErrors } from '../../scripts/error-facts.ts';
import { renderPages, root } from '../../scripts/reference.ts';
import { createHealMetrics } from '../../src/agent/heal/metrics.ts';
import { createMetrics } from '../../src/agent/metrics.ts';
import { allCommands, createProgram } from '../../src/cli/main.ts';
import { rules } from '../../src/core/doctor/rules/index.ts';
import { HEAL_STEPS } from '../../src/core/cluster/heal.ts';
import { HEALING_SCENARIOS } from '../../src/core/drill/healing/scenario.ts';
import { BRAKES } from '../../src/core/heal/brakes.ts';
import { wordings } from '../../src/core/cluster/problems.ts';
import { mutations } from '../sim/mutations.ts';

const page = (name: string) => readFileSync(join(root, 'docs/reference', name), 'utf8');

/** The rows of the page's tables, without their heads; a first cell that is code comes without its quotes. */
const rows = (text: string) =>
  [...text.matchAll(/^\| (`.+) \|$/gm)].map((match) =>
    (match[1] as string).split(/(?<!\\)\|/).map((cell, i) => (i === 0 ? cell.trim().slice(1, -1) : cell.trim())),
  );
const firstCells = (text: string) => rows(text).map(([first]) => first as string);

test.each(Object.entries(await renderPages()))('docs/reference/%s is what `node scripts/reference.ts` writes', (name, text) => {
  expect(page(name)).toBe(text);
});

// A page and its generator could overlook the same thing: so each page is also compared with a second, plainer look at the code.
describe('errors.md', () => {
  const sources = globSync('src/**/*.ts', { cwd: root }).map((path) => readFileSync(join(root, path), 'utf8'));
  const listed = firstCells(page('errors.md'));

  test('lists every code that an error is made with', () => {
    const makers = sources.filter((text) => /new HaleError\(|EtcdFailure/.test(text));
    const codes = makers.flatMap((text) =>
      [...text.matchAll(/\b(?:code: (?:\w+ \? )?|fail\(|failure\()'(\w+)'/g)].map((match) => match[1]),
    );
    expect(codes.length).toBeGreaterThan(40);
    expect(codes.filter((code) => !listed.includes(code as string))).toEqual([]);
  });

  test('lists every problem of a cluster.yaml', () => {
    expect(Object.keys(wordings).filter((code) => !listed.includes(code))).toEqual([]);
  });

  test('lists no code twice, and none that the sources do not hold', () => {
    expect(listed).toEqual([...new Set(listed)]);
    expect(listed.filter((code) => !sources.some((text) => text.includes(`'${code}'`) || text.includes(`  ${code}: `)))).toEqual([]);
  });

  test('an error that cannot be read stops the generator', () => {
    expect(() => readErrors('x.ts', 'throw new HaleError(facts);')).toThrow('x.ts');
    expect(() => readErrors('x.ts', "throw new HaleError({ code: 'a_b', kind: 'world' });")).toThrow('message');
    expect(() => readErrors('x.ts', "throw new HaleError({ code: last.code, kind: 'world', message: '' });")).toThrow('remedies');
  });
});

test.each([
  { of: 'the agent', part: 0, metrics: createMetrics() },
  { of: 'hale heal run', part: 1, metrics: createHealMetrics() },
])('metrics.md lists the names and help texts of what a scrape of $of returns, and no other', async ({ part, metrics }) => {
  const scrape = await metrics.registry.metrics();
  const served = [...scrape.matchAll(/^# HELP (\w+) (.*)$/gm)].map(([, name, help]) => [name, help]);
  const listed = rows(page('metrics.md').split('\n## ')[part] as string).map(([name, , , help]) => [name, help]);
  expect(listed).toEqual(served.toSorted());
});

test('rules.md has a heading for each rule of hale doctor, which its findings link to, and no other', () => {
  const headings = [...page('rules.md').matchAll(/^### (.+)$/gm)].map(([, id]) => id);
  expect(headings.toSorted()).toEqual(rules.map(({ id }) => id).toSorted());
});

describe('cli.md', async () => {
  const program = await createProgram();
  const sections = page('cli.md').split('\n## ').slice(1);

  test.each(allCommands(program))('$_name: its flags, defaults and arguments, and no other', (command) => {
    const words = [command.name()];
    for (let at = command.parent; at !== null; at = at.parent) words.unshift(at.name());
    const section = sections.filter((text) => text.startsWith(`${words.join(' ')}\n`));
    expect(section).toHaveLength(1);
    const help = command.createHelp();
    const terms = [
      ...command.registeredArguments.map((argument) => [argument.name(), argument.defaultValue]),
      ...help.visibleOptions(command).map((option) => [option.flags, option.defaultValue]),
    ].filter(([flags]) => flags !== '-h, --help');
    const listed = rows(section[0] as string).map(([term, preset]) => [
      (term as string).replace(/^[<[]([\w-]+)(\.\.\.)?[>\]]$/, '$1'),
      preset === '' ? undefined : (preset as string).slice(1, -1),
    ]);
    expect(listed).toEqual(terms.map(([term, preset]) => [term, preset === undefined ? undefined : String(preset)]));
  });

  test('has a section for each command and no more', () => {
    expect(sections).toHaveLength(allCommands(program).length);
  });
});

test.each(globSync('docs/internals/*.md', { cwd: root, exclude: ['**/doctor.md'] }))(
  'every test that %s names is there, under that title',
  (path) => {
    const text = readFileSync(join(root, path), 'utf8');
    const tests = [...text.matchAll(/`(test\/[\w/.-]+)`(?: "([^"]+)")?/g)].map((match) => match.slice(1) as [string, string | undefined]);
    expect(tests.length).toBeGreaterThan(10);
    expect(tests.filter(([file, title]) => !readFileSync(join(root, file), 'utf8').includes(title ?? ''))).toEqual([]);
  },
);

test('guide/heal.md explains every brake and every step, and guide/drain.md every drill of nodes', () => {
  const guide = (name: string) => readFileSync(join(root, 'docs/guide', name), 'utf8');
  const inTables = (text: string) =>
    [...text.matchAll(/^\| ((?:`[\w-]+`(?:, )?)+) \|/gm)].flatMap(([, cell]) => (cell as string).replaceAll('`', '').split(', '));
  expect(inTables(guide('heal.md')).toSorted()).toEqual([...BRAKES, ...HEAL_STEPS].toSorted());
  expect(inTables(guide('drain.md')).toSorted()).toEqual(HEALING_SCENARIOS.map(({ name }) => name).toSorted());
});

describe('internals/lease.md', () => {
  const text = readFileSync(join(root, 'docs/internals/lease.md'), 'utf8');
  const named = (pattern: RegExp) => [...text.matchAll(pattern)].map((match) => match.slice(1) as [string, string]);

  test('every planted bug is named, and no other', () => {
    expect(
      named(/planted bug "([^"]+)"/g)
        .map(([name]) => name)
        .toSorted(),
    ).toEqual(mutations.map(({ name }) => name).toSorted());
  });

  test('every scenario that it names is a file beside the core', () => {
    const scenarios = named(/scenario `([\w-]+)`/g).map(([name]) => name);
    expect(scenarios.length).toBeGreaterThan(0);
    expect(scenarios.filter((name) => globSync(`src/core/lease/scenarios/${name}.txt`, { cwd: root }).length === 0)).toEqual([]);
  });
});
