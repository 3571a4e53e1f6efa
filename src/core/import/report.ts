/** What `hale import` tells beside the description. */
import { parse } from 'yaml';
import { printable } from '../../base/printable.ts';
import { formatProblem } from '../cluster/problems.ts';
import type { Trouble } from '../doctor/read/trouble.ts';
import { placeOf, type Span } from '../doctor/text-file.ts';
import type { Found } from './decide.ts';
import { type Description, HOST_LISTS } from './description.ts';
import type { Imported } from './import.ts';

/** Lines for people: `file:line: what`, the most serious first. */
export function importRemarks({ description, problems }: Imported, troubles: readonly Trouble[]): string {
  const { missing, conflicts, notes } = description;
  const lines = [
    ...missing.map(({ key, fill }) => `missing: ${key}: ${fill}`),
    ...conflicts.map(({ key, values, taken }) => {
      const rivals = values.map(({ value, at }) => `${JSON.stringify(value)} (${placesList(at)})`).join(' against ');
      return `conflict: ${key}: ${rivals}; ${taken === undefined ? 'none was taken' : `${JSON.stringify(taken)} was taken`}`;
    }),
    ...notes.map(({ message, at }) => `note: ${at[0] === undefined ? '' : `${placeText(at[0])}: `}${message}`),
    ...guessesOf(description).map(({ key, because }) => `guess: ${key}: ${because}`),
    ...(missing.length === 0 ? problems.map((problem) => `problem: ${formatProblem(problem)}`) : []),
    ...troubles.map(({ kind, at, detail }) => `not read: ${placeText(at)}: ${[kind, detail].filter((text) => text !== '').join(': ')}`),
  ];
  return lines.map((line) => `${printable(line)}\n`).join('');
}

/** One JSON document for programs. */
export function importJson({ description, text, problems }: Imported): string {
  const { missing, conflicts, notes } = description;
  const document = {
    cluster: parse(text) as unknown,
    origins: originsOf(description),
    missing,
    guesses: guessesOf(description),
    conflicts: conflicts.map(({ key, values, taken }) => ({
      key,
      values: values.map(({ value, at }) => ({ value, at: at.map(plainPlace) })),
      taken: taken ?? null,
    })),
    notes: notes.map(({ message, at }) => ({ message, at: at.map(plainPlace) })),
    problems,
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

/** Each key that was found, with every place that says so; of hosts with their numbers. */
function originsOf({ values, hosts }: Description): Record<string, ReturnType<typeof plainPlace>[]> {
  const found: [string, Found][] = [...values];
  for (const list of HOST_LISTS) {
    for (const [i, { name, addresses, zone }] of hosts[list].entries()) {
      const key = `${list}[${i}]`;
      if (name !== undefined) found.push([`${key}.name`, name]);
      if (zone !== undefined) found.push([`${key}.zone`, zone]);
      if (addresses.length > 0) found.push([`${key}.address`, { value: '', at: addresses.flatMap(({ at }) => at) }]);
    }
  }
  return Object.fromEntries(found.map(([key, { at }]) => [key, at.map(plainPlace)]));
}

interface Guess {
  key: string;
  because: string;
}

/** Alike ones of many hosts once. */
function guessesOf({ values, hosts }: Description): Guess[] {
  const guesses = [...values].flatMap(([key, { because }]) => (because?.startsWith('guess: ') ? [{ key, because: because.slice(7) }] : []));
  const names = HOST_LISTS.flatMap((list) =>
    hosts[list].flatMap(({ name }, i) =>
      name?.because === undefined ? [] : [{ key: `${list}[${i}].name`, because: name.because.slice(7) }],
    ),
  );
  const lengths = HOST_LISTS.flatMap((list) =>
    hosts[list].flatMap(({ addresses }) =>
      addresses.flatMap(({ length }) =>
        length?.because === undefined ? [] : [{ key: `prefix lengths of ${list}`, because: length.because.slice(7) }],
      ),
    ),
  );
  const each = new Map(lengths.map((guess) => [JSON.stringify(guess), guess]));
  return [...guesses, ...names, ...each.values()];
}

function plainPlace(span: Span): { file: string; line: number; column: number } {
  return { file: span.file.path, ...placeOf(span) };
}

function placeText(span: Span): string {
  const { line, column } = placeOf(span);
  return `${span.file.path}:${line}:${column}`;
}

/** The first three: a contradiction may stand in a thousand files. */
function placesList(at: readonly Span[]): string {
  const shown = at.slice(0, 3).map(placeText).join(', ');
  return at.length > 3 ? `${shown} and ${at.length - 3} more` : shown;
}
