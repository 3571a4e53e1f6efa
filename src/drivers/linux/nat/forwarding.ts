/** Kernel parameters without which translated packets are not passed on (Documentation/networking/ip-sysctl.rst). */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { done, type Effect } from '../../../ports/effect.ts';
import { overrideSysctl } from '../sysctl.ts';

interface Setting {
  path: string;
  value: string;
}

export interface Forwarding {
  /** Parameters that it had to set now, in words: at first those that were otherwise, later those that somebody changed. */
  ensure(): { set: string[]; failed: string[] };
  /** Puts the former values back. */
  restore(): Effect;
}

/** Lets packets that come in at the interfaces be passed on, for the families in use. */
export function forwardingOf(interfaceNames: readonly string[], versions: ReadonlySet<4 | 6>): Forwarding {
  const restores = new Map<string, () => Effect>();
  const ensure = (): { set: string[]; failed: string[] } => {
    const set: string[] = [];
    const failed: string[] = [];
    for (const { path, value } of interfaceNames.flatMap((name) => settingsOf(name, versions))) {
      const before = valueOf(path);
      if (before === value) continue;
      const overridden = overrideSysctl(path, value);
      if (!overridden.ok) {
        failed.push(overridden.reason);
        continue;
      }
      // What was there before this process came is what is put back, however often somebody else changes it.
      if (!restores.has(path)) restores.set(path, overridden.restore);
      set.push(`${path.replaceAll('/', '.')} = ${value} (was ${before})`);
    }
    return { set, failed };
  };
  return {
    ensure,
    restore() {
      const effects = [...restores.values()].toReversed().map((restore) => restore());
      restores.clear();
      return effects.find((effect) => !effect.ok) ?? done;
    },
  };
}

/** Only what is missing: IPv4 asks the interface where a packet came in, IPv6 asks all or, since Linux 6.17, one interface. */
function settingsOf(interfaceName: string, versions: ReadonlySet<4 | 6>): Setting[] {
  const four = versions.has(4) ? [{ path: `net/ipv4/conf/${interfaceName}/forwarding`, value: '1' }] : [];
  return [...four, ...(versions.has(6) ? settings6(interfaceName) : [])];
}

function settings6(interfaceName: string): Setting[] {
  const all = 'net/ipv6/conf/all/forwarding';
  if (valueOf(all) === '1') return [];
  const forced = `net/ipv6/conf/${interfaceName}/force_forwarding`;
  if (existsSync(`/proc/sys/${forced}`)) return [{ path: forced, value: '1' }];
  // A host that forwards ignores router advertisements, and with them its default route, unless accept_ra is 2.
  const listening = readdirSync('/proc/sys/net/ipv6/conf').filter(
    (name) => name !== 'all' && valueOf(`net/ipv6/conf/${name}/accept_ra`) === '1',
  );
  return [...listening.map((name) => ({ path: `net/ipv6/conf/${name}/accept_ra`, value: '2' })), { path: all, value: '1' }];
}

function valueOf(path: string): string | undefined {
  try {
    return readFileSync(`/proc/sys/${path}`, 'utf8').trim();
  } catch {
    return undefined;
  }
}
