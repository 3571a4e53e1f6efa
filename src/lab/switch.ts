import { HaleError } from '../base/error.ts';
import { run, runOrFail } from './command.ts';
import { readInit } from './init.ts';
import { withPrefixLength, type HostPlan } from './plan.ts';
import type { ProcessIdentity } from './process.ts';

/** The bridge of a lab: one port for each host, named after it. */
export interface Switch {
  /** Lays the cable: `eth0` in the host, a port here. The host gets its fixed MAC, so neighbours' caches outlive a power cut. */
  connect(plan: HostPlan, init: ProcessIdentity): Promise<void>;
  setPort(host: string, state: 'up' | 'down'): Promise<void>;
  /** Takes the cable away. Harmless when there is none. */
  disconnect(host: string): Promise<void>;
  /** Drops all frames that enter at a port of `from` and would leave at one of `to`, for each pair; replaces an earlier cut of that name. */
  cut(name: string, pairs: readonly { from: readonly string[]; to: readonly string[] }[]): Promise<void>;
  /** Undoes a cut. Harmless when there is none of that name. */
  mend(name: string): Promise<void>;
  /** The command line that runs a program at the switch. */
  command(argv: readonly string[]): string[];
}

export function openSwitch(folder: string): Switch {
  const inside = (...argv: string[]): string[] => ['nsenter', '-t', String(initOf(folder).pid), '-n', ...argv];
  return {
    connect: async (plan, init) => {
      const { name, mac } = plan;
      // Both ends in one command: a cable is never seen half-laid.
      await runOrFail(inside('ip', '-batch', '-'), {
        input: `link add ${name} type veth peer name eth0 address ${mac} netns ${init.pid}\nlink set ${name} master br0 up\n`,
      });
      await runOrFail(['nsenter', '-t', String(init.pid), '-n', 'ip', '-batch', '-'], {
        input: [
          ...plan.addresses.map((address) => `addr add ${withPrefixLength(address)} ${nodad(address)}dev eth0`),
          'link set eth0 up',
          '',
        ].join('\n'),
      });
    },
    setPort: async (host, state) => void (await runOrFail(inside('ip', 'link', 'set', host, state))),
    disconnect: async (host) => {
      const result = await run(inside('ip', 'link', 'del', host));
      if (result.code !== 0 && !result.stderr.includes('Cannot find device')) throw commandFailed(`ip link del ${host}`, result.stderr);
    },
    cut: async (name, pairs) => {
      const rules = pairs.map(({ from, to }) => `iifname ${ports(from)} oifname ${ports(to)} drop`);
      await runOrFail(inside('nft', '-f', '-'), {
        input: `${emptied(name)}table bridge ${table(name)} {
          chain forward {
            type filter hook forward priority 0;
            ${rules.join('\n            ')}
          }
        }`,
      });
    },
    mend: async (name) => void (await runOrFail(inside('nft', '-f', '-'), { input: emptied(name) })),
    command: (argv) => inside(...argv),
  };
}

/** Declaring it first makes the deletion succeed when it is not there (nft(8), "destroy" is newer than Debian 12). */
function emptied(name: string): string {
  return `table bridge ${table(name)} { }\ndelete table bridge ${table(name)}\n`;
}

function ports(names: readonly string[]): string {
  return `{ ${names.map((name) => `"${name}"`).join(', ')} }`;
}

function table(name: string): string {
  return `hale-cut-${name}`;
}

/** Duplicate address detection would keep the address tentative for a second. */
function nodad(address: string): string {
  return address.includes(':') ? 'nodad ' : '';
}

function initOf(folder: string): ProcessIdentity {
  const init = readInit({ folder });
  if (init !== undefined) return init;
  throw new HaleError({
    code: 'lab_switch_down',
    kind: 'world',
    message: `the switch of the lab in ${folder} does not run any more`,
    remedy: 'take the lab down with `hale lab down` and make it anew',
  });
}

function commandFailed(command: string, stderr: string): HaleError {
  return new HaleError({ code: 'lab_command_failed', kind: 'world', message: `${command}: ${stderr.trim()}` });
}
