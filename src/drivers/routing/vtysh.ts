/** FRR's own interface for people and programs: vtysh(1). */
import { lastWord, runCommand } from '../command.ts';

/** What each of the commands printed; of those that were carried out, when one failed. */
export type VtyshAnswer = { ok: true; texts: string[] } | { ok: false; reason: string; texts: string[] };
export type Vtysh = (commands: readonly string[], deadline: AbortSignal) => Promise<VtyshAnswer>;

/** Talks to bgpd alone, so that no other daemon of FRR takes part. The first command that fails is the last. */
export function bgpdByVtysh(socketFolder?: string): Vtysh {
  const argv = ['vtysh', '-d', 'bgpd', '-E', ...(socketFolder === undefined ? [] : ['--vty_socket', socketFolder])];
  return async (commands, deadline) => {
    const end = await runCommand([...argv, ...commands.flatMap((command) => ['-c', command])], { deadline });
    if (end.kind === 'unstartable')
      return { ok: false, reason: `vtysh cannot be started (${end.error.code ?? end.error.message})`, texts: [] };
    const texts = split(end.stdout, commands);
    if (end.kind === 'late') return { ok: false, reason: 'vtysh has not answered in time', texts };
    return end.status === 0 ? { ok: true, texts } : { ok: false, reason: `vtysh: ${lastWord(end)}`, texts };
  };
}

/** -E has each command printed behind a prompt before what it says. */
function split(said: string, commands: readonly string[]): string[] {
  const texts: string[] = [];
  let rest = said;
  for (const command of commands) {
    const at = rest.indexOf(`# ${command}\n`);
    if (at < 0) break;
    // The last line before is the prompt.
    if (texts.length > 0) texts[texts.length - 1] = rest.slice(0, rest.lastIndexOf('\n', at) + 1);
    rest = rest.slice(at + command.length + 3);
    texts.push(rest);
  }
  return texts;
}
