import { readdirSync, readFileSync } from 'node:fs';
import { heal, type HealSettings } from '../../src/core/cluster/heal.ts';
import type { Effect } from '../../src/ports/effect.ts';
import type { PowerState, PowerTarget } from '../../src/ports/power.ts';

/** `heal.power` of a cluster.yaml, with its defaults. */
export function powerSettings(power: Partial<HealSettings['power']>): HealSettings['power'] {
  return heal.parse({ power }).power;
}

export function target(bmc: string, node = 'cp1'): PowerTarget {
  return { node, address: '127.0.0.1', bmc };
}

/** Why something is unknown or failed; empty where it is neither. */
export function reasonOf(result: PowerState | Effect): string {
  return 'reason' in result ? result.reason : '';
}

/** The words of every process of this machine, one text for each. */
export function commandLines(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
      } catch {
        // It has ended since.
        return '';
      }
    });
}
