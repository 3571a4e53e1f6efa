/** How each action of a scenario is written; the reader accepts all that the writer writes. */
import { type Fitness, fitnessLevels } from '../core/lease/message.ts';
import { type TimingProfile, timingProfiles } from '../core/lease/timing.ts';
import { type Action, type HostConfig, type HostName, HOSTS_MAX, kernelFaults, MEMBERS_MAX, type Quality, stops } from './scenario.ts';
import { numberText, type Words } from './words.ts';

const undoings = ['start', 'thaw', 'wake', 'join', 'resume', 'restart'] as const;
const breakings = ['break', 'mend'] as const;
const cuttings = ['cut', 'heal'] as const;
const actionWords = [
  ...stops,
  'kill-guarded',
  ...undoings,
  ...fitnessLevels,
  ...breakings,
  ...cuttings,
  'link',
  'network',
  'configure',
  'repair',
] as const;
export const profiles = Object.keys(timingProfiles) as TimingProfile[];
export const TIME_RANGE = { least: 0, most: 1e11 };
const HOST_RANGE = { least: 0, most: HOSTS_MAX - 1 };
const KEY_RANGE = { least: 0, most: 255 };
const DELAY_RANGE = { least: 0, most: 60_000 };
const SHARE_RANGE = { least: 0, most: 1 };

export function formatAction(action: Action): string {
  switch (action.kind) {
    case 'repair':
      return 'repair';
    case 'kill-guarded':
      return `kill-guarded ${action.host} after ${numberText(action.afterMs)}`;
    case 'fitness':
      return `${action.fitness} ${action.host}`;
    case 'break':
    case 'mend':
      return `${action.kind} ${action.host} ${action.fault}`;
    case 'cut':
    case 'heal':
      return `${action.kind} ${action.from}>${action.to}`;
    case 'link':
      return `link ${action.from}>${action.to} ${formatQuality(action.quality)}`;
    case 'network':
      return `network ${formatQuality(action.quality)}`;
    case 'configure':
      return `configure ${action.host}${formatConfig(action.config)}`;
    default:
      return `${action.kind} ${action.host}`;
  }
}

export function readAction(words: Words): Action {
  const kind = words.oneOf(actionWords, 'an action');
  switch (kind) {
    case 'repair':
      return { kind };
    case 'network':
      return { kind, quality: readQuality(words) };
    case 'link':
      return { kind, ...readLink(words), quality: readQuality(words) };
    case 'cut':
    case 'heal': {
      const [from, to] = readEnds(words);
      return { kind, from, to };
    }
    default:
      return readHostAction(kind, words);
  }
}

type HostActionKind = Exclude<(typeof actionWords)[number], 'repair' | 'network' | 'link' | 'cut' | 'heal'>;

function readHostAction(kind: HostActionKind, words: Words): Action {
  const host = readHost(words.word('a host'), words);
  switch (kind) {
    case 'kill-guarded':
      words.keyword('after');
      return { kind, host, afterMs: words.number('a time in ms', TIME_RANGE) };
    case 'break':
    case 'mend':
      return { kind, host, fault: words.oneOf(kernelFaults, 'a fault of the kernel') };
    case 'configure':
      return { kind, host, config: readConfig(words) };
    case 'unable':
    case 'poor':
    case 'good':
      return { kind: 'fitness', host, fitness: kind satisfies Fitness };
    default:
      return { kind, host };
  }
}

function readHost(word: string, words: Words): HostName {
  if (word === 'holder') return word;
  if (/^\d$/.test(word) && Number(word) < HOSTS_MAX) return Number(word);
  throw words.refuse(`${word} is not a host`, `Write a number from 0 to ${HOSTS_MAX - 1}, or holder.`);
}

function readEnds(words: Words): [HostName, HostName] {
  const word = words.word('a direction of a link');
  const [from, to, ...rest] = word.split('>');
  if (from === undefined || to === undefined || rest.length > 0) {
    throw words.refuse(`${word} is not a direction of a link`, 'Write two hosts with > between, such as 0>1.');
  }
  return [readHost(from, words), readHost(to, words)];
}

export function readLink(words: Words): { from: number; to: number } {
  const [from, to] = readEnds(words);
  if (from === 'holder' || to === 'holder')
    throw words.refuse('a link of the holder has no quality of its own', 'Name both hosts by number.');
  return { from, to };
}

export function formatQuality(quality: Quality): string {
  const { lossProbability, duplicateProbability, delayMinMs, delayMaxMs } = quality;
  const delay = `${numberText(delayMinMs)}..${numberText(delayMaxMs)}`;
  return `loss ${numberText(lossProbability)} duplicate ${numberText(duplicateProbability)} delay ${delay}`;
}

export function readQuality(words: Words): Quality {
  words.keyword('loss');
  const lossProbability = words.number('a loss', SHARE_RANGE);
  words.keyword('duplicate');
  const duplicateProbability = words.number('a share of duplicates', SHARE_RANGE);
  words.keyword('delay');
  const [delayMinMs, delayMaxMs] = words.span('a delay in ms', DELAY_RANGE);
  return { lossProbability, duplicateProbability, delayMinMs, delayMaxMs };
}

function formatConfig({ members, profile, keys }: Partial<HostConfig>): string {
  return [members && ` members ${members.join(',')}`, profile && ` profile ${profile}`, keys && ` keys ${keys.join(',')}`].join('');
}

function readConfig(words: Words): Partial<HostConfig> {
  const config: { members?: number[]; profile?: TimingProfile; keys?: number[] } = {};
  while (!words.atEnd) {
    const key = words.oneOf(['members', 'profile', 'keys'], 'a setting');
    if (key === 'profile') config.profile = words.oneOf(profiles, 'a profile');
    else if (key === 'keys') config.keys = words.list('keys', KEY_RANGE);
    else config.members = words.list('members', HOST_RANGE);
    if ((config.members?.length ?? 0) > MEMBERS_MAX)
      throw words.refuse('the member list is too long', `Name at most ${MEMBERS_MAX} hosts.`);
  }
  return config;
}
