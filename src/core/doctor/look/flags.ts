import type { Facts } from '../facts.ts';
import type { Flag, Program } from '../read/program.ts';
import type { Edit, Span } from '../text-file.ts';

/* Questions that rules ask of command lines. */

export function programsNamed({ programs }: Facts, ...names: readonly string[]): Program[] {
  return programs.filter(({ name }) => names.includes(name));
}

/** The flag that counts: of two the last (pflag). Dashes and underscores are the same to it. */
export function flagNamed({ flags }: Program, name: string): Flag | undefined {
  return flags.findLast((flag) => flag.name.replaceAll('_', '-') === name);
}

export function flagText(program: Program, name: string): string | undefined {
  return flagNamed(program, name)?.value;
}

export function variableNamed({ env }: Program, name: string): Flag | undefined {
  return env.findLast((variable) => variable.name === name);
}

/** Whether a switch is on: `--x`, `--x=true`. */
export function isOn(flag: Flag | undefined): boolean {
  return flag !== undefined && (flag.value === undefined || /^(?:true|1|t)$/i.test(flag.value));
}

export function isOff(flag: Flag | undefined): boolean {
  return flag?.value !== undefined && /^(?:false|0|f)$/i.test(flag.value);
}

/** Whether what will stand here is decided elsewhere: a shell's variable, a template, a placeholder. */
export function isOpen(text: string): boolean {
  return /\$|\{\{|^<.*>$|%[a-z]|__/i.test(text) || text.trim() === '';
}

/** Where to show a flag: its value, else the flag. */
export function valueAtFlag({ span, valueSpan }: Flag): Span {
  return valueSpan ?? span;
}

/** Another value in the place of one, with the quotes that stand there. */
export function replaceValue(span: Span, value: string): Edit {
  const quote = /^["']/.exec(span.file.text.slice(span.start, span.end))?.[0] ?? '';
  return { span, text: `${quote}${value}${quote}` };
}

/** The host that a program is on, where that is known; else its file stands for one. */
export function hostOf({ file, document }: Pick<Program, 'file' | 'document'>): string {
  const spec = (document?.value as { spec?: { nodeName?: unknown } } | undefined)?.spec;
  const node = typeof spec?.nodeName === 'string' ? spec.nodeName : undefined;
  return file.host ?? node ?? file.path;
}

/** Those of one kind, at most one of a host: the first that is found there. */
export function onePerHost<T extends Pick<Program, 'file' | 'document'>>(programs: readonly T[]): T[] {
  const byHost = new Map<string, T>();
  for (const program of programs) {
    const host = hostOf(program);
    if (!byHost.has(host)) byHost.set(host, program);
  }
  return [...byHost.values()];
}
