import type { Example, Rule } from './rule.ts';

/** A rule as a section of Markdown, without its heading. */
export function ruleMarkdown(rule: Rule): string {
  const { severity, title, why, fix, sources, examples } = rule;
  const bad = examples.bad[0];
  const good = examples.good[0];
  const parts = [
    `**${severity}**: ${inline(title)}.`,
    `**Why it matters.** ${inline(why)}`,
    `**The way out.** ${inline(fix)}`,
    `Known from: ${sources.map(inline).join('; ')}.`,
    ...(bad === undefined ? [`Bad: ${inline(examples.badInWords ?? '')}`] : [`Bad:\n\n${exampleMarkdown(bad)}`]),
    ...(good === undefined ? [] : [`Good:\n\n${exampleMarkdown(good)}`]),
  ];
  return `${parts.join('\n\n')}\n`;
}

function exampleMarkdown(example: Example): string {
  return Object.entries(example)
    .map(([path, text]) => {
      const fence = '`'.repeat(Math.max(3, ...[...text.matchAll(/`+/g)].map(([run]) => run.length + 1)));
      return `\`${path}\`\n\n${fence}text\n${text.replaceAll('\t', '→').replace(/\n*$/, '\n')}${fence}`;
    })
    .join('\n\n');
}

/** Text in which nothing is meant as Markdown. */
function inline(text: string): string {
  return text.replaceAll(/[\\*_<>[\]]/g, String.raw`\$&`);
}
