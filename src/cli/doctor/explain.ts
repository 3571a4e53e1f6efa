import { Command } from 'commander';
import { HaleError } from '../../base/error.ts';
import { editDistance, nearest } from '../../core/cluster/nearest.ts';
import type { Example, Rule } from '../../core/doctor/rule.ts';
import { rules } from '../../core/doctor/rules/index.ts';
import { table } from '../table.ts';

/** `hale doctor explain`: what a rule looks for and why, or the list of all rules. */
export function explainCommand(): Command {
  return new Command('explain')
    .description('say what a rule looks for, why it matters, and what is good and bad; without an id, list every rule')
    .argument('[id]', 'of a rule, as it stands in a finding')
    .option('--json', 'print one JSON document')
    .action((id: string | undefined, { json }: { json?: true }) => {
      const chosen = id === undefined ? rules : [ruleCalled(id)];
      if (json)
        process.stdout.write(
          `${JSON.stringify(id === undefined ? { rules: chosen.map(plainRule) } : plainRule(chosen[0] as Rule), null, 2)}\n`,
        );
      else process.stdout.write(id === undefined ? listOf(chosen) : textOf(chosen[0] as Rule));
    });
}

function plainRule({ id, severity, title, why, fix, sources, examples }: Rule) {
  return { id, severity, title, why, fix, sources, examples, url: `docs/reference/rules.md#${id}` };
}

const SHOWN_MAX = 5;

function ruleCalled(id: string): Rule {
  const known = rules.find((rule) => rule.id === id);
  if (known !== undefined) return known;
  throw new HaleError({
    code: 'doctor_rule_unknown',
    kind: 'usage',
    message: `there is no rule ${JSON.stringify(id)}`,
    remedy: `the nearest: ${nearestIds(id).join(', ')}; \`hale doctor explain\` lists all`,
  });
}

/** Those that hold the word first, then by how much differs. */
function nearestIds(word: string): string[] {
  const ids = rules.map(({ id }) => id);
  const slip = nearest(word, ids);
  const holding = ids.filter((id) => id.includes(word.toLowerCase()));
  const others = ids.toSorted((a, b) => editDistance(word, a) - editDistance(word, b));
  return [...new Set([...(slip === undefined ? [] : [slip]), ...holding, ...others])].slice(0, SHOWN_MAX);
}

function listOf(all: readonly Rule[]): string {
  const rows = all.toSorted((a, b) => (a.id < b.id ? -1 : 1)).map(({ id, severity, title }) => [id, severity, title]);
  return `${table(['RULE', 'SEVERITY', 'WHAT IS WRONG'], rows)}${all.length} rules\n`;
}

function textOf({ id, severity, title, why, fix, sources, examples }: Rule): string {
  const bad = examples.bad[0];
  const good = examples.good[0];
  return [
    `${id} (${severity}): ${title}\n`,
    `why      ${why}\n`,
    `fix      ${fix}\n`,
    `sources  ${sources.join('; ')}\n`,
    bad === undefined ? `bad: ${examples.badInWords}\n` : `bad:\n${exampleText(bad)}`,
    ...(good === undefined ? [] : [`good:\n${exampleText(good)}`]),
    `docs/reference/rules.md#${id}\n`,
  ].join('\n');
}

function exampleText(example: Example): string {
  return Object.entries(example)
    .map(([path, text]) => `    ${path}\n${text.trimEnd().replaceAll(/^/gm, '        ')}\n`)
    .join('');
}
