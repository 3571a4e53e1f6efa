/** What rules ask scripts: commands by the program that they run, and which scripts are health checks. */
import type { Facts } from '../facts.ts';
import { readCommands, type ShellCommand } from '../read/script.ts';
import type { Span, TextFile } from '../text-file.ts';
import { entriesOf, entryOf } from './keepalived-model.ts';

/** A health check: a script, or the command line that keepalived runs. */
export interface Check {
  commands: readonly ShellCommand[];
  /** The whole file, where it is one. */
  file: TextFile | undefined;
  at: Span;
}

const baseOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

/** Where a program stands in a command, behind assignments, sudo, ssh HOST, kubectl exec … --; -1 where it is not run. */
const programAt = ({ words }: ShellCommand, ...names: readonly string[]): number => {
  const at = words.findIndex((word) => names.includes(baseOf(word)));
  return at > 0 &&
    /^(?:echo|printf|#|which|type|man|install|apt|apt-get|yum|dnf|cp|mv|rm|chmod|chown|ls|cat|command|export|alias|wget|tar)$/.test(
      baseOf(words[0] ?? ''),
    )
    ? -1
    : at;
};

export const runs = (command: ShellCommand, ...names: readonly string[]): boolean => programAt(command, ...names) !== -1;

/** Words behind the program, and their places. */
export function argumentsOf(command: ShellCommand, ...names: readonly string[]): { text: string; span: Span }[] | undefined {
  const at = programAt(command, ...names);
  return at === -1 ? undefined : command.words.slice(at + 1).map((text, i) => ({ text, span: command.spans[at + 1 + i] as Span }));
}

/** The value of `--name value` or `--name=value`; empty for a switch at the end; undefined where there is none. */
export function flagOf(args: readonly { text: string }[], name: string): string | undefined {
  const at = args.findLastIndex(({ text }) => text === `--${name}` || text.startsWith(`--${name}=`));
  if (at === -1) return undefined;
  const text = args[at]?.text ?? '';
  return text.includes('=') ? text.slice(text.indexOf('=') + 1) : (args[at + 1]?.text ?? '');
}

/** Letters of curl that take a value, which may follow at once. */
const CURL_VALUED = /[AbcCdDeEFhHKmoPQrtTuUwxXyYz]/;

/** Whether curl is given a switch by its letter or by one of its long names. */
export function hasCurlFlag(command: ShellCommand, letter: string, ...long: readonly string[]): boolean {
  return command.words.some((word) => {
    if (word.startsWith('--')) return long.some((name) => word === `--${name}` || word.startsWith(`--${name}=`));
    if (!word.startsWith('-')) return false;
    const end = word.search(CURL_VALUED);
    return word.slice(1, end === -1 ? undefined : end + 1).includes(letter);
  });
}

/** Whether what a command prints is used, and not whether it failed. */
export const isCaptured = (command: ShellCommand, commands: readonly ShellCommand[]): boolean =>
  command.operator === '|' ||
  commands.some((other) => other !== command && other.spans.some(({ start, end }) => start < command.span.start && command.span.end < end));

export const allCommands = (facts: Facts): ShellCommand[] => [
  ...facts.scripts.flatMap(({ commands }) => commands),
  ...inlineChecks(facts).flatMap(({ commands }) => commands),
];

/** Commands of a program whose words hold these, in this order. */
export const callsOf = (facts: Facts, names: readonly string[], ...words: readonly string[]) =>
  allCommands(facts).flatMap((command) => {
    const args = argumentsOf(command, ...names);
    if (args === undefined) return [];
    let at = -1;
    const has = words.every((word) => (at = args.findIndex(({ text }, i) => i > at && text === word)) !== -1);
    return has ? [{ command, args }] : [];
  });

const CHECK_NAME = /(?:^|[-_.])(?:check|chk|health)/i;

/** Scripts by name, or because keepalived runs them; and what keepalived runs without a script. */
export function checksOf(facts: Facts): Check[] {
  const run = new Set(vrrpScripts(facts).map(({ text }) => baseOf(text.trim().split(/\s+/)[0] ?? '')));
  const scripts = facts.scripts.flatMap(({ file, commands }) => {
    const name = baseOf(file.inside?.name ?? file.path);
    const isCheck = run.has(name) || (CHECK_NAME.test(name) && /\.(?:sh|bash)$|^[^.]+$/.test(name));
    return isCheck ? [{ commands, file, at: { file, start: 0, end: 0 } }] : [];
  });
  return [...scripts, ...inlineChecks(facts)];
}

function inlineChecks(facts: Facts): Check[] {
  return vrrpScripts(facts).flatMap(({ text, span }) => {
    // The path of a script alone is no command line to look at.
    if (!/\s/.test(text.trim())) return [];
    const isQuoted = /^["']/.test(span.file.text.slice(span.start, span.end));
    const inner = isQuoted ? { ...span, start: span.start + 1, end: span.end - 1 } : span;
    return [{ commands: readCommands(inner), file: undefined, at: span }];
  });
}

const vrrpScripts = ({ keepalived }: Facts): { text: string; span: Span }[] =>
  keepalived.flatMap(({ entries }) =>
    entriesOf(entries, 'vrrp_script').flatMap((entry) => {
      const script = entryOf(entry, 'script');
      return script?.words[1] === undefined ? [] : [{ text: script.words[1], span: script.spans[1] as Span }];
    }),
  );
