import { isKnown, placeholdersIn } from '../heal/placeholders.ts';
import { HEAL_STEPS, type HealPolicy, type HealRule, type HealSettings, type HealSignal } from './heal.ts';
import { hostGroups } from './holders.ts';
import { type Finding, finding, type Path, pathText } from './problems.ts';
import type { Cluster } from './schema.ts';

type IsWritten = (path: Path) => boolean;

/** What the section `heal` lacks, or cannot mean. */
export function healFindings(cluster: Cluster, isWritten: IsWritten): Finding[] {
  const { heal } = cluster;
  const can = { power: heal.power.by !== 'none', replace: heal.replaceCommand !== undefined };
  return [
    ...policyFindings(heal, { can, at: ['heal'] }),
    ...command(heal),
    ...unusedKeys(heal, isWritten),
    ...url(heal, isWritten),
    ...unknownPlaceholders(heal),
    ...sameHost(heal, isWritten),
    ...bmcs(cluster, isWritten),
  ];
}

export interface PolicyPlace {
  /** What cluster.yaml gives hale the means for. */
  can: { power: boolean; replace: boolean };
  /** Where the policy is in its document. */
  at: Path;
}

/** What the rules of a policy lack, whether it is in cluster.yaml or in a HealPolicy of the API. */
export function policyFindings({ rules }: Pick<HealPolicy, 'rules'>, { can, at }: PolicyPlace): Finding[] {
  return rules.flatMap((rule, i) => {
    const path = [...at, 'rules', i];
    const isSecond = rules.findIndex(({ name }) => name === rule.name) < i;
    return [
      ...(isSecond ? [finding('cluster_heal_rule_twice', { path: [...path, 'name'], at: 'value' }, { name: rule.name })] : []),
      ...rule.when.flatMap((signal, j) => signalFinding(signal, [...path, 'when', j])),
      ...steps(rule, [...path, 'steps'], can),
      ...windows(rule, [...path, 'windows']),
    ];
  });
}

function signalFinding(signal: HealSignal, path: Path): Finding[] {
  const { condition, status = [], taint, heartbeat } = signal;
  const named = Object.entries({ condition, taint, heartbeat }).flatMap(([key, value]) => (value === undefined ? [] : [key]));
  const found =
    named.length === 0
      ? 'has none of condition, taint and heartbeat'
      : named.length > 1
        ? `has ${named.join(' and ')}, but a signal is one of them`
        : condition !== undefined && status.length === 0
          ? 'has a condition, but no status of it that is unhealthy'
          : condition === undefined && signal.status !== undefined
            ? `has a status, which ${named[0]} has not`
            : undefined;
  if (found === undefined) return [];
  return [finding('cluster_heal_signal', { path, at: 'value' }, { key: pathText(path), found })];
}

function steps({ steps: list }: HealRule, path: Path, can: PolicyPlace['can']): Finding[] {
  const place = (j: number) => ({ path: [...path, j], at: 'value' as const });
  const unproven = list.indexOf('out-of-service');
  const isUnproven = unproven >= 0 && !list.slice(0, unproven).includes('power-off');
  const misplaced = list.findIndex((step, j) => j > 0 && HEAL_STEPS.indexOf(step) <= HEAL_STEPS.indexOf(list[j - 1] as typeof step));
  return [
    ...list.flatMap((step, j) => {
      if ((step === 'power-off' || step === 'power-on') && !can.power) return [finding('cluster_heal_power_missing', place(j), { step })];
      return step === 'replace' && !can.replace ? [finding('cluster_heal_replace_missing', place(j))] : [];
    }),
    ...(isUnproven ? [finding('cluster_heal_out_of_service', place(unproven))] : []),
    // One slip is told once.
    ...(misplaced < 0 || isUnproven
      ? []
      : [
          finding('cluster_heal_steps_order', place(misplaced), { step: list[misplaced] as string, before: list[misplaced - 1] as string }),
        ]),
  ];
}

function windows({ windows: list }: HealRule, at: Path): Finding[] {
  return list.flatMap(({ from, to }, j) => {
    const path = [...at, j];
    return from === to ? [finding('cluster_heal_window', { path, at: 'value' }, { key: pathText(path), time: from })] : [];
  });
}

function command({ power }: HealSettings): Finding[] {
  if (power.by !== 'command' || power.command !== undefined) return [];
  return [finding('cluster_heal_command_missing', { path: [...POWER, 'by'], at: 'value' })];
}

const POWER: Path = ['heal', 'power'];
/** Where each kind of power controller says which host is meant. */
const TARGETS = { redfish: 'url', ipmi: 'host', command: 'command' } as const;
const USED_BY = {
  url: ['redfish'],
  caFile: ['redfish'],
  host: ['ipmi'],
  credentialsFile: ['redfish', 'ipmi'],
  command: ['command'],
} as const;

function unusedKeys({ power: { by } }: HealSettings, isWritten: IsWritten): Finding[] {
  return Object.entries(USED_BY).flatMap(([key, users]) => {
    const path = [...POWER, key];
    if (!isWritten(path) || users.some((user) => user === by)) return [];
    return [finding('cluster_section_unused', { path, at: 'key' }, { section: pathText(path), needs: `heal.power.by: ${users[0]}` })];
  });
}

function url({ power: { by, url: text } }: HealSettings, isWritten: IsWritten): Finding[] {
  if (by !== 'redfish') return [];
  const path = [...POWER, 'url'];
  const [, scheme, authority = ''] = /^([a-z]+):\/\/([^/?#]*)/i.exec(text) ?? [];
  // The values themselves are not shown: what is wrong may be a password in them.
  const reason =
    scheme === undefined || authority === ''
      ? 'is no URL'
      : authority.includes('@')
        ? 'has a name or a password in it, which others can read here'
        : /[?#]/.test(text)
          ? 'has more than a path'
          : scheme === 'https' || (scheme === 'http' && LOOPBACK.test(authority))
            ? undefined
            : 'is no https URL, so the password could be read on its way';
  return reason === undefined ? [] : [finding('cluster_heal_url', { path: isWritten(path) ? path : POWER, at: 'value' }, { reason })];
}

/** Where http is good enough: emulators on this machine. */
const LOOPBACK = /^(127\.\d+\.\d+\.\d+|\[::1\])(:\d+)?$/;

function unknownPlaceholders({ power, replaceCommand = [] }: HealSettings): Finding[] {
  const texts = [
    { path: [...POWER, 'url'], text: power.url },
    { path: [...POWER, 'host'], text: power.host },
    ...(power.command ?? []).map((text, i) => ({ path: [...POWER, 'command', i], text })),
    ...replaceCommand.map((text, i) => ({ path: ['heal', 'replaceCommand', i], text })),
  ];
  return texts.flatMap(({ path, text }) =>
    placeholdersIn(text)
      .filter((name) => !isKnown(name))
      .map((name) => finding('cluster_heal_placeholder', { path, at: 'value' }, { key: pathText(path), name })),
  );
}

interface PowerTarget {
  path: Path;
  key: string;
  names: string[];
}

/** What tells hosts apart; undefined where nothing is to be told apart, or it is missing. */
function powerTarget({ power }: HealSettings): PowerTarget | undefined {
  if (power.by === 'none') return undefined;
  const path = [...POWER, TARGETS[power.by]];
  const words = { redfish: [power.url], ipmi: [power.host], command: power.command }[power.by];
  return words && { path, key: pathText(path), names: words.flatMap(placeholdersIn) };
}

function sameHost(heal: HealSettings, isWritten: IsWritten): Finding[] {
  const target = powerTarget(heal);
  if (target === undefined || target.names.some(isKnown)) return [];
  return [finding('cluster_heal_same_host', { path: isWritten(target.path) ? target.path : POWER, at: 'value' }, { key: target.key })];
}

function bmcs(cluster: Cluster, isWritten: IsWritten): Finding[] {
  const target = powerTarget(cluster.heal);
  if (target === undefined || !target.names.includes('bmc')) return [];
  const { key, names, path } = target;
  const hosts = hostGroups(cluster)
    .flat()
    .flatMap(({ host, path: at }) => (host.bmc === undefined ? [] : [{ name: host.name, bmc: host.bmc, path: [...at, 'bmc'] }]));
  if (hosts.length === 0) {
    const place = isWritten(path) ? path : [...POWER, 'by'];
    return [finding('cluster_heal_bmc_missing', { path: place, at: 'value' }, { key })];
  }
  if (names.includes('node') || names.includes('address')) return [];
  return hosts.flatMap(({ name, bmc, path: at }, i) => {
    const other = hosts.slice(0, i).find((one) => one.bmc.toLowerCase() === bmc.toLowerCase());
    if (other === undefined) return [];
    return [finding('cluster_heal_bmc_twice', { path: at, at: 'value' }, { bmc, host: name, other: other.name, key })];
  });
}
