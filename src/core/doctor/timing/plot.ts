import { durationText, type Link, STAGES } from './link.ts';

const COLUMNS = 60;
const DECADES = { from: 1, to: 8 };

/** Column of a time on a logarithmic axis from 10 ms to 28 hours. */
function columnOf(ms: number): number {
  const decade = Math.log10(Math.max(ms, 10));
  return Math.round(((Math.min(decade, DECADES.to) - DECADES.from) / (DECADES.to - DECADES.from)) * (COLUMNS - 1));
}

const TICKS = [10, 100, 1000, 10_000, 60_000, 600_000, 3_600_000, 36_000_000];

/** Each link as a bar on one logarithmic time axis, for a terminal. */
export function plot(links: readonly Link[]): string {
  const names = links.map(({ stage, who }) => `${STAGES[stage]} (${who})`);
  const width = Math.max(...names.map((name) => name.length));
  const rows = links.map((link, i) => `${(names[i] as string).padEnd(width)}  ${bar(link)}\n`);
  return `${rows.join('')}${' '.repeat(width)}  ${axis()}\n`;
}

function bar({ fromMs, toMs }: Link): string {
  const from = columnOf(fromMs);
  const to = columnOf(toMs);
  return `${' '.repeat(from)}${from === to ? '|' : `${'='.repeat(to - from)}|`}`;
}

function axis(): string {
  let line = '';
  for (const tick of TICKS) {
    const at = columnOf(tick);
    if (at >= line.length) line = `${line.padEnd(at)}${durationText(tick).replace(' ', '')} `;
  }
  return line.trimEnd();
}
