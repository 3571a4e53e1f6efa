import type { PowerTarget } from '../../ports/power.ts';
import { type CommandEnd, lastWord, runCommand } from '../command.ts';
import { filled, type KnownState, type PowerController, PowerProblem } from './controller.ts';

/** The user's command, with `state`, `off` or `on` as one more word. No shell reads it. */
export function commandController(words: readonly string[]): PowerController {
  const [name = ''] = words;
  const run = async (host: PowerTarget, verb: 'state' | 'on' | 'off', deadline: AbortSignal): Promise<string> => {
    const argv = words.map((word) => filled(word, host));
    return outputOf(await runCommand([...argv, verb], { deadline }), `${name} ${verb}`);
  };
  return {
    name,
    async read(host, deadline): Promise<KnownState> {
      const said = (await run(host, 'state', deadline)).trim();
      if (said === 'on' || said === 'off') return { kind: said };
      throw neither(`${name} state`, said);
    },
    async order(host, wanted, deadline) {
      await run(host, wanted, deadline);
    },
  };
}

/** What a program said instead of on or off. */
export function neither(what: string, said: string): PowerProblem {
  return new PowerProblem(`${what} printed ${said === '' ? 'nothing' : JSON.stringify(said.slice(0, 100))}, which is neither on nor off`);
}

/** What a program that succeeded has printed. */
export function outputOf(end: CommandEnd, what: string): string {
  if (end.kind === 'ended' && end.status === 0) return end.stdout;
  if (end.kind === 'unstartable') throw new PowerProblem(`${what} cannot be run: ${end.error.message}`);
  throw new PowerProblem(end.kind === 'late' ? `${what} took too long` : `${what} failed: ${lastWord(end)}`);
}
