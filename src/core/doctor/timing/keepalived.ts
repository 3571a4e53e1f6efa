import type { KeepalivedConfig, KeepalivedEntry } from '../read/keepalived.ts';
import { durationText, type Link } from './link.ts';

/** keepalived.conf(5), "vrrp_script": both in seconds, and a number of failures. */
const SCRIPT_INTERVAL_S = 1;
const SCRIPT_FALL = 1;

/** When the address moves: because its holder died (RFC 9568, section 6.1), or because a check on it fails. */
export function keepalivedLinks(configs: readonly KeepalivedConfig[]): Link[] {
  return configs.flatMap((config) =>
    config.entries
      .filter(({ words }) => words[0] === 'vrrp_instance')
      .flatMap((instance) => [crash(config, instance), ...checks(config, instance)]),
  );
}

function crash(config: KeepalivedConfig, instance: KeepalivedEntry): Link {
  const { advertMs, skewMs, how } = timers(config, instance);
  return {
    stage: 'address-by-crash',
    // The last advertisement was sent anything between just now and one interval ago.
    fromMs: 2 * advertMs + skewMs,
    toMs: 3 * advertMs + skewMs,
    how,
    at: (child(instance, 'advert_int') ?? instance).span,
    who: `keepalived ${instance.words[1] ?? ''}`,
  };
}

function timers(config: KeepalivedConfig, instance: KeepalivedEntry) {
  const version = value(instance, 'version') ?? value(globalDefs(config), 'vrrp_version') ?? '2';
  const advert = Number(value(instance, 'advert_int') ?? 1);
  const priority = Number(value(instance, 'priority') ?? 100);
  // Version 2 counts in whole seconds (RFC 3768, section 6.1).
  const advertMs = version === '3' ? advert * 1000 : Math.max(1, Math.round(advert)) * 1000;
  const skewMs = ((256 - priority) / 256) * (version === '3' ? advertMs : 1000);
  const skew = version === '3' ? durationText(advertMs) : '1 s';
  return { advertMs, skewMs, how: `3 × ${durationText(advertMs)} + (256 − ${priority})/256 × ${skew}` };
}

function checks(config: KeepalivedConfig, instance: KeepalivedEntry): Link[] {
  const tracked = (child(instance, 'track_script')?.block ?? []).map(({ words }) => words[0]);
  const scripts = config.entries.filter(({ words }) => words[0] === 'vrrp_script' && tracked.includes(words[1]));
  return scripts.map((script) => {
    const interval = 1000 * Number(value(script, 'interval') ?? SCRIPT_INTERVAL_S);
    const fall = Number(value(script, 'fall') ?? SCRIPT_FALL);
    // keepalived ends a script that runs longer than its interval, unless it says otherwise.
    const timeout = 1000 * Number(value(script, 'timeout') ?? interval / 1000);
    const { advertMs } = timers(config, instance);
    return {
      stage: 'address-by-check',
      fromMs: (fall - 1) * interval,
      toMs: fall * interval + advertMs,
      how: `${fall} × ${durationText(interval)} + ${durationText(advertMs)}; ${durationText(timeout)} more when it hangs`,
      at: script.span,
      who: `keepalived ${script.words[1] ?? ''}`,
    };
  });
}

function globalDefs({ entries }: KeepalivedConfig): KeepalivedEntry | undefined {
  return entries.find(({ words }) => words[0] === 'global_defs');
}

function child(entry: KeepalivedEntry, name: string): KeepalivedEntry | undefined {
  return entry.block?.find(({ words }) => words[0] === name);
}

function value(entry: KeepalivedEntry | undefined, name: string): string | undefined {
  return entry === undefined ? undefined : child(entry, name)?.words[1];
}
