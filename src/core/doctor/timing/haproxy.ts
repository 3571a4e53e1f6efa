import type { HaproxyConfig, HaproxyLine, HaproxySection } from '../read/haproxy.ts';
import { durationMs, durationText, type Link } from './link.ts';

/** HAProxy's own defaults (configuration manual, section 5.2, "inter", "fall"). */
const INTER_MS = 2000;
const FALL = 3;

/** How soon each backend with checks drops a dead server, and when an idle connection through it is cut. */
export function haproxyLinks(configs: readonly HaproxyConfig[]): Link[] {
  return configs.flatMap(({ sections }) =>
    sections.filter(({ kind }) => kind === 'backend' || kind === 'listen').flatMap((section) => [...detection(section), ...idle(section)]),
  );
}

function detection(section: HaproxySection): Link[] {
  const servers = section.lines.filter(({ words }) => words[0] === 'server' && words.includes('check'));
  const [server] = servers;
  const shared = linesOf(section, 'default-server');
  const checked =
    server ?? (shared.some(({ words }) => words.includes('check')) ? section.lines.find(({ words }) => words[0] === 'server') : undefined);
  if (checked === undefined) return [];
  const setting = (name: string) => valueIn([checked, ...shared], name);
  const inter = time(setting('inter')) ?? INTER_MS;
  const fast = time(setting('fastinter')) ?? inter;
  const fall = Number(setting('fall') ?? FALL);
  // A server that hangs instead of refusing holds each check until its time-out.
  const hang = time(timeout(section, 'check')?.words[2]) ?? inter;
  return [
    {
      stage: 'backend-detected',
      fromMs: (fall - 1) * fast,
      toMs: inter + (fall - 1) * fast,
      how: `inter ${durationText(inter)} + ${fall - 1} × ${durationText(fast)}; ${durationText(hang)} more when it hangs`,
      at: checked.span,
      who: `haproxy ${section.name}`,
    },
  ];
}

/** `timeout tunnel` replaces both others once bytes flow in TCP mode (configuration manual, "timeout tunnel"). */
function idle(section: HaproxySection): Link[] {
  const tunnel = timeout(section, 'tunnel');
  const lines = tunnel === undefined ? [timeout(section, 'client'), timeout(section, 'server')] : [tunnel];
  const known = lines.flatMap((line) => {
    const ms = time(line?.words[2]);
    return line === undefined || ms === undefined ? [] : [{ line, ms }];
  });
  const [shortest] = known.toSorted((a, b) => a.ms - b.ms);
  if (shortest === undefined) return [];
  const { line, ms } = shortest;
  return [{ stage: 'idle-ended', fromMs: ms, toMs: ms, how: line.words.join(' '), at: line.span, who: `haproxy ${section.name}` }];
}

function timeout(section: HaproxySection, name: string): HaproxyLine | undefined {
  return linesOf(section, 'timeout').find(({ words }) => words[1] === name);
}

/** The section's own lines before those of its defaults. */
function linesOf(section: HaproxySection, keyword: string): HaproxyLine[] {
  return [...section.lines, ...(section.defaults?.lines ?? [])].filter(({ words }) => words[0] === keyword);
}

function valueIn(lines: readonly HaproxyLine[], name: string): string | undefined {
  for (const { words } of lines) {
    const at = words.indexOf(name);
    if (at > 0 && words[at + 1] !== undefined) return words[at + 1];
  }
  return undefined;
}

function time(text: string | undefined): number | undefined {
  return text === undefined ? undefined : durationMs(text);
}
