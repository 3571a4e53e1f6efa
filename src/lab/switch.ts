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
  /** Drops all frames between the port of `host` and those of `others`; both still reach everybody else. */
  separate(host: string, others: readonly string[]): Promise<void>;
  /** Undoes `separate`. Harmless when there is nothing to undo. */
  reunite(host: string): Promise<void>;
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
    separate: async (host, others) => {
      const set = `{ ${others.map((other) => `"${other}"`).join(', ')} }`;
      await runOrFail(inside('nft', '-f', '-'), {
        input: `table bridge ${table(host)} {
          chain forward {
            type filter hook forward priority 0;
            iifname "${host}" oifname ${set} drop
            iifname ${set} oifname "${host}" drop
          }
        }`,
      });
    },
    // Declaring it first makes the deletion succeed when it is not there (nft(8), "destroy" is newer than Debian 12).
    reunite: async (host) => {
      await runOrFail(inside('nft', '-f', '-'), { input: `table bridge ${table(host)} { }\ndelete table bridge ${table(host)}\n` });
    },
  };
}

function table(host: string): string {
  return `hale-separate-${host}`;
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
