import type { Facts } from '../facts.ts';
import type { KeepalivedEntry } from '../read/keepalived.ts';
import { entriesOf, entryOf, instancesOf, listOf, numberOf, type VrrpInstance, versionOf } from '../rules/keepalived-model.ts';
import { durationText, type Link } from './link.ts';

/** When the address moves: because its holder died (RFC 9568, section 6.1), or because a check on it fails. */
export function keepalivedLinks(facts: Facts): Link[] {
  return instancesOf(facts).flatMap((instance) => [crash(instance), ...trackedScripts(instance).map((script) => check(instance, script))]);
}

function crash(instance: VrrpInstance): Link {
  const { advertMs, skewMs, how } = timers(instance);
  return {
    stage: 'address-by-crash',
    // The last advertisement was sent anything between just now and one interval ago.
    fromMs: 2 * advertMs + skewMs,
    toMs: 3 * advertMs + skewMs,
    how,
    at: (entryOf(instance.entry, 'advert_int') ?? instance.entry).span,
    who: `keepalived ${instance.name}`,
  };
}

function timers(instance: VrrpInstance) {
  const isVersion3 = versionOf(instance) === 3;
  const advert = numberOf(instance.entry, 'advert_int') ?? 1;
  const priority = numberOf(instance.entry, 'priority') ?? 100;
  // Version 2 counts in whole seconds (RFC 3768, section 6.1).
  const advertMs = isVersion3 ? advert * 1000 : Math.max(1, Math.round(advert)) * 1000;
  const skewUnitMs = isVersion3 ? advertMs : 1000;
  const how = `3 × ${durationText(advertMs)} + (256 − ${priority})/256 × ${durationText(skewUnitMs)}`;
  return { advertMs, skewMs: ((256 - priority) / 256) * skewUnitMs, how };
}

function trackedScripts({ config, entry }: VrrpInstance): KeepalivedEntry[] {
  const tracked = listOf(entry, 'track_script').map(({ text }) => text);
  return entriesOf(config.entries, 'vrrp_script').filter(({ words }) => tracked.includes(words[1] ?? ''));
}

function check(instance: VrrpInstance, script: KeepalivedEntry): Link {
  // keepalived.conf(5), "vrrp_script": every second, one failure; a script that runs longer than its interval is ended.
  const interval = 1000 * (numberOf(script, 'interval') ?? 1);
  const fall = numberOf(script, 'fall') ?? 1;
  const timeout = 1000 * (numberOf(script, 'timeout') ?? interval / 1000);
  const { advertMs } = timers(instance);
  return {
    stage: 'address-by-check',
    fromMs: (fall - 1) * interval,
    toMs: fall * interval + advertMs,
    how: `${fall} × ${durationText(interval)} + ${durationText(advertMs)}; ${durationText(timeout)} more when it hangs`,
    at: script.span,
    who: `keepalived ${script.words[1] ?? ''}`,
  };
}
