import { EXIT_USAGE, EXIT_WORLD } from '../src/base/error.ts';
import type { ErrorFacts } from './error-facts.ts';
import { cell } from './markdown.ts';

export interface ErrorSource {
  /** Relative to the root, with `/`. */
  path: string;
  errors: readonly ErrorFacts[];
}

/** The first folder that fits decides where an error is listed. */
const AREAS = [
  { folder: 'src/core/cluster/', title: 'cluster.yaml' },
  { folder: 'src/cli/', title: 'Commands' },
  { folder: 'src/agent/', title: 'Agent' },
  { folder: 'src/drivers/etcd/', title: 'etcd' },
  { folder: 'src/lab/', title: 'Lab and drills' },
  { folder: 'src/', title: 'Host and network' },
];

/** The page docs/reference/errors.md, made from every place that makes an error for people. */
export function renderErrors(sources: readonly ErrorSource[]): string {
  const sections = AREAS.map(({ folder, title }) => {
    const here = sources.filter(({ path }) => AREAS.find((area) => path.startsWith(area.folder))?.folder === folder);
    return section(
      title,
      here.flatMap(({ errors }) => errors),
    );
  });
  return `<!-- Made by scripts/reference.ts from the sources. Change the error where it is made and run the script. -->

# Errors

Every error says what went wrong, where, and what to do about it. It goes to stderr; the exit code says whom it concerns:
${EXIT_USAGE}, the call or the file is to be mended; ${EXIT_WORLD}, something outside could not be reached or refused. The codes are stable, the
wording is not. In braces stands what is only known when it happens.

${sections.filter((text) => text !== '').join('\n')}`;
}

function section(title: string, errors: readonly ErrorFacts[]): string {
  if (errors.length === 0) return '';
  const rows = [...new Set(errors.map(({ code }) => code))].toSorted().map((code) => {
    const places = errors.filter((error) => error.code === code);
    // The problems of a cluster.yaml come together, in one error that is wrong use.
    const exit = each(places.map(({ kind }) => String(kind === 'world' ? EXIT_WORLD : EXIT_USAGE)));
    return `| \`${code}\` | ${exit} | ${each(places.map(({ message }) => message))} | ${each(places.map(({ remedy }) => remedy))} |\n`;
  });
  return `## ${title}\n\n| Code | Exit | Message | What to do |\n| --- | --- | --- | --- |\n${rows.join('')}`;
}

/** The different texts that one code has at different places. */
function each(texts: readonly (string | undefined)[]): string {
  return [...new Set(texts.filter((text) => text !== undefined))].map(cell).join('<br>');
}
