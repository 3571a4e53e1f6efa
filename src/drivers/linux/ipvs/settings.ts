/** Kernel parameters that IPVS needs here (Documentation/networking/ipvs-sysctl.rst). They hold for every virtual server of the network namespace. */
import { readFileSync } from 'node:fs';
import type { Family } from '../../../base/address.ts';
import { HaleError } from '../../../base/error.ts';
import { done, type Effect } from '../../../ports/effect.ts';
import { overrideSysctl } from '../sysctl.ts';

const settings = [
  // Without it netfilter does not see the connections, and nothing masquerades them.
  { path: 'net/ipv4/vs/conntrack', value: '1' },
  // Connections of a removed real server end at its removal, instead of swallowing packets until they time out.
  { path: 'net/ipv4/vs/expire_nodest_conn', value: '1' },
  // The kernel's default. With 0, Linux before 5.16 ignores the line above, and a port that is used again goes to a server that is draining.
  { path: 'net/ipv4/vs/conn_reuse_mode', value: '1' },
] as const;

const forwarding: Record<Family, string> = { IPv4: 'net/ipv4/ip_forward', IPv6: 'net/ipv6/conf/all/forwarding' };

/** Throws HaleError `ipvs_setting_refused`; the returned function puts the former values back. */
export function applySettings(): () => Effect {
  const restores: (() => Effect)[] = [];
  const restore = (): Effect => restores.toReversed().reduce<Effect>((failed, undo) => firstFailure(failed, undo()), done);
  for (const { path, value } of settings) {
    const set = overrideSysctl(path, value);
    if (set.ok) {
      restores.push(set.restore);
      continue;
    }
    restore();
    throw new HaleError({
      code: 'ipvs_setting_refused',
      kind: 'world',
      message: `IPVS needs a kernel parameter that cannot be set: ${set.reason}`,
      remedy: 'The kernel needs CONFIG_IP_VS_NFCT, and a container needs /proc/sys to be writable.',
    });
  }
  return restore;
}

function firstFailure(first: Effect, second: Effect): Effect {
  return first.ok ? second : first;
}

export interface WrongSetting {
  name: string;
  found: string;
  wanted: string;
}

/** Those that are not as they have to be, by their names of sysctl(8). */
export function wrongSettings(): WrongSetting[] {
  return settings.flatMap(({ path, value }) => {
    const found = readSetting(path);
    return found === value ? [] : [{ name: path.replaceAll('/', '.'), found: found ?? 'missing', wanted: value }];
  });
}

/** Sets them again; what was mended or cannot be, in words. */
export function mendSettings(): string[] {
  return wrongSettings().map(({ name, found, wanted }) => {
    const set = overrideSysctl(name.replaceAll('.', '/'), wanted);
    return set.ok ? `${name} was ${found}` : `${name} is ${found} and cannot be set: ${set.reason}`;
  });
}

/** The parameter that keeps answers of other hosts' real servers from passing through this one; undefined when they pass. */
export function forwardingProblem(family: Family): string | undefined {
  return readSetting(forwarding[family]) === '1' ? undefined : forwarding[family].replaceAll('/', '.');
}

function readSetting(path: string): string | undefined {
  try {
    return readFileSync(`/proc/sys/${path}`, 'utf8').trim();
  } catch {
    return undefined;
  }
}
