/** BIRD's control socket by birdc(8), whose lines begin with a code with -v (doc/reply_codes of BIRD: 0 to 2 success and data, 8 and 9 refusals). */
import { printable } from '../../base/printable.ts';
import { lastWord, runCommand } from '../command.ts';

export type BirdcAnswer = { ok: true; lines: BirdcLine[] } | { ok: false; reason: string };
export type Birdc = (command: readonly string[], deadline: AbortSignal) => Promise<BirdcAnswer>;

export interface BirdcLine {
  code: number;
  text: string;
}

/** No such route, no such protocol: an answer too. */
const NOTHING_FOUND = [8001, 8003];

export function openBirdc(controlSocket: string): Birdc {
  return async (command, deadline) => {
    const end = await runCommand(['birdc', '-v', '-s', controlSocket, ...command], { deadline });
    if (end.kind === 'unstartable') return { ok: false, reason: `birdc cannot be started (${end.error.code ?? end.error.message})` };
    if (end.kind === 'late') return { ok: false, reason: 'BIRD has not answered in time' };
    const lines = readLines(end.stdout);
    const refusal = lines.find(({ code }) => code >= 8000 && !NOTHING_FOUND.includes(code));
    if (refusal !== undefined) return { ok: false, reason: printable(refusal.text).slice(0, 300) };
    // Without its greeting it has not reached BIRD.
    if (lines.length === 0) return { ok: false, reason: lastWord(end) };
    return { ok: true, lines };
  };
}

/** Lines that follow one with the same code have none. */
export function readLines(said: string): BirdcLine[] {
  let code = 0;
  return said
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const [, own, text = ''] = /^(?:(\d{4})[- ]|[ +])(.*)$/.exec(line) ?? [undefined, undefined, line];
      if (own !== undefined) code = Number(own);
      return { code, text: own === undefined ? text.replace(/^ {4}/, '') : text };
    });
}

export interface BirdProtocol {
  kind: string;
  up: boolean;
  description: string;
}

/** By name, of `show protocols all`. */
export function readProtocols(lines: readonly BirdcLine[]): Map<string, BirdProtocol> {
  const protocols = new Map<string, BirdProtocol>();
  let last: BirdProtocol | undefined;
  for (const { code, text } of lines) {
    const [, name, kind, state] = (code === 1002 && /^(\S+) +(\S+) +\S+ +(\S+)/.exec(text)) || [];
    if (name !== undefined && kind !== undefined) protocols.set(name, (last = { kind, up: state === 'up', description: '' }));
    const description = code === 1006 && /^ +Description: +(.*)$/.exec(text)?.[1];
    if (description && last !== undefined) last.description = description.trim();
  }
  return protocols;
}
