import { parseIp } from '../base/address.ts';
import { printable } from '../base/printable.ts';
import type { HealSettings } from '../core/cluster/heal.ts';
import { fillPlaceholders } from '../core/heal/placeholders.ts';
import { done, type Effect } from '../ports/effect.ts';
import type { Remote } from '../ports/remote.ts';
import { lastWord, runCommand } from './command.ts';
import { noSsh, SSH_OPTIONS } from './ssh.ts';

/** A connection that is cut by the reboot is noticed after 15 s. */
const REBOOT_TIMEOUT_MS = 45_000;
/** Machines are made anew by clouds and installers. */
const REPLACE_TIMEOUT_MS = 30 * 60_000;

/** A line of its own that no greeting of a shell prints. */
const TAKEN = 'hale: the order to reboot is taken';

export function createRemote({ ssh, replaceCommand }: Pick<HealSettings, 'ssh' | 'replaceCommand'>): Remote {
  return {
    reboot: (host) => reboot(host, ssh),
    replace: (host) => replace(host, replaceCommand),
  };
}

/**
 * The order is told to be taken before it is carried out, and a second passes for the word to get out. What follows says what became of it: a status from
 * 1 to 127 is a refusal; a connection that is cut (255), a shell that ends by a signal (above 128), and silence are what a reboot looks like.
 */
async function reboot({ address }: { address: string }, { user, options, rebootCommand }: HealSettings['ssh']): Promise<Effect> {
  if (parseIp(address) === undefined) return failed(`${JSON.stringify(address)} is no address of a node: it has no InternalIP`);
  const words = [...options, ...SSH_OPTIONS].flatMap((option) => ['-o', option]);
  // By sh's input, so that it is read by sh alone, whatever shell the user has.
  const input = `echo '${TAKEN}'\nsleep 1\n${rebootCommand}\n`;
  const deadline = AbortSignal.timeout(REBOOT_TIMEOUT_MS);
  const end = await runCommand(['ssh', '-T', '-l', user, ...words, '--', address, 'sh', '-s'], { deadline, input });
  if (end.kind === 'unstartable') {
    const { message, remedy } = noSsh(end.error);
    return failed(`${message}: ${remedy}`);
  }
  const isTaken = end.stdout.split('\n').includes(TAKEN);
  if (!isTaken) return failed(`ssh to ${address}: ${end.kind === 'late' ? 'it took too long' : lastWord(end)}`);
  if (end.kind === 'late' || end.status === 0 || end.status >= 128) return done;
  const said = lastWord({ ...end, stdout: end.stdout.replace(TAKEN, '') });
  return failed(`${rebootCommand} on ${address} failed: ${said}`);
}

async function replace(host: Parameters<Remote['replace']>[0], command: HealSettings['replaceCommand']): Promise<Effect> {
  if (command === undefined) return failed('heal.replaceCommand is not set in cluster.yaml');
  const { node, address, bmc = '', providerId } = host;
  const argv: string[] = [];
  // The name of the node goes into the environment in any case.
  for (const template of [...command, '{node}']) {
    const filled = fillPlaceholders(template, { node, address, bmc });
    if (!filled.ok) return failed(filled.reason);
    argv.push(filled.text);
  }
  const env = { ...process.env, HALE_NODE: argv.pop(), HALE_ADDRESS: address, HALE_PROVIDER_ID: providerId ?? '' };
  const end = await runCommand(argv, { env, deadline: AbortSignal.timeout(REPLACE_TIMEOUT_MS) });
  if (end.kind === 'ended' && end.status === 0) return done;
  if (end.kind === 'unstartable') return failed(`${command[0]} cannot be run: ${end.error.message}`);
  if (end.kind === 'late')
    return failed(`${command[0]} took longer than ${REPLACE_TIMEOUT_MS / 60_000} minutes; it said at last: ${lastWord(end)}`);
  return failed(`${command[0]} failed: ${lastWord(end)}`);
}

const failed = (reason: string): Effect => ({ ok: false, reason: printable(reason) });
