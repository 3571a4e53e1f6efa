import type { Facts } from '../facts.ts';
import type { HaproxyLine, HaproxySection } from '../read/haproxy.ts';
import { apiBackends, apiFronts, detectionMs, durationMs, isChecked, optionOf, serversOf, settingOf } from '../rules/haproxy-model.ts';
import { durationText, type Link } from './link.ts';

/** How soon each backend of API servers drops a dead one, and when an idle connection through HAProxy is cut. */
export function haproxyLinks(facts: Facts): Link[] {
  return [...apiBackends(facts).flatMap(detection), ...[...new Set([...apiFronts(facts), ...apiBackends(facts)])].flatMap(idle)];
}

function detection(section: HaproxySection): Link[] {
  const server = serversOf(section).find(isChecked);
  const toMs = server === undefined ? undefined : detectionMs(server);
  if (server === undefined || toMs === undefined) return [];
  const inter = durationMs(optionOf(server, 'inter') ?? '2s') ?? 0;
  // A server that hangs instead of refusing holds each check until its time-out.
  const hang = durationMs(settingOf(section, 'timeout', 'check')?.words[2]) ?? inter;
  return [
    {
      stage: 'backend-detected',
      fromMs: toMs - inter,
      toMs,
      how: `inter ${durationText(inter)} + ${durationText(toMs - inter)} for the other failures; ${durationText(hang)} more when it hangs`,
      at: server.line.span,
      who: `haproxy ${section.name}`,
    },
  ];
}

/** `timeout tunnel` replaces both others once bytes flow in TCP mode (configuration manual, "timeout tunnel"). */
function idle(section: HaproxySection): Link[] {
  const tunnel = settingOf(section, 'timeout', 'tunnel');
  const side = section.kind === 'frontend' ? ['client'] : section.kind === 'backend' ? ['server'] : ['client', 'server'];
  const lines = tunnel === undefined ? side.map((name) => settingOf(section, 'timeout', name)) : [tunnel];
  const [shortest] = lines.flatMap(withMs).toSorted((a, b) => a.ms - b.ms);
  if (shortest === undefined) return [];
  const { line, ms } = shortest;
  return [{ stage: 'idle-ended', fromMs: ms, toMs: ms, how: line.words.join(' '), at: line.span, who: `haproxy ${section.name}` }];
}

function withMs(line: HaproxyLine | undefined): { line: HaproxyLine; ms: number }[] {
  const ms = durationMs(line?.words[2]);
  return line === undefined || ms === undefined ? [] : [{ line, ms }];
}
