import { HaleError } from '../base/error.ts';
import { gateKinds, GOOD_QUALITY, HOSTS_MAX, MEMBERS_MAX, type Scenario, type ScenarioEvent, undoing } from './scenario.ts';
import { formatAction, formatQuality, profiles, readAction, readLink, readQuality, TIME_RANGE } from './scenario-words.ts';
import { numberText, Words } from './words.ts';

/** Stands between a scenario and the trace of its run. */
const RULE = '---';

const headings = ['members', 'profile', 'gate', 'sealed', 'seed', 'network', 'link', 'clock', 'end', 'at'] as const;
const SEED_RANGE = { least: 0, most: 1e12 };
const RATE_RANGE = { least: 0.5, most: 2 };

/** The scenario above the rule and, where there is a rule, the trace below it. `file` names it in errors (HaleError `scenario_malformed`). */
export function splitFile(text: string): { scenario: string; trace: string | undefined } {
  const lines = text.split('\n');
  const rule = lines.indexOf(RULE);
  if (rule < 0) return { scenario: text, trace: undefined };
  return { scenario: lines.slice(0, rule).join('\n'), trace: lines.slice(rule + 1).join('\n') };
}

export function joinFile(scenario: Scenario, trace: readonly string[]): string {
  return `${formatScenario(scenario)}${RULE}\n${trace.join('\n')}\n`;
}

export function formatScenario(scenario: Scenario): string {
  const { notes, members, profile, gate, sealed, seed, network, links, clocks, events, endMs } = scenario;
  const lines = [
    ...notes.map((note) => `# ${note}`.trimEnd()),
    `members ${members}`,
    `profile ${profile}`,
    ...(gate === 'deadline' ? [] : [`gate ${gate}`]),
    ...(sealed ? ['sealed'] : []),
    `seed ${numberText(seed)}`,
    `network ${formatQuality(network)}`,
    ...links.map(({ from, to, quality }) => `link ${from}>${to} ${formatQuality(quality)}`),
    ...clocks.map(({ host, rate }) => `clock ${host} ${numberText(rate)}`),
    ...events.map(formatEvent),
    `end ${numberText(endMs)}`,
  ];
  return `${lines.join('\n')}\n`;
}

function formatEvent({ atMs, action, forMs }: ScenarioEvent): string {
  return `at ${numberText(atMs)} ${formatAction(action)}${forMs === undefined ? '' : ` for ${numberText(forMs)}`}`;
}

/** Reads a scenario; stops at the rule. Throws HaleError `scenario_malformed` with line, value, reason and way out. */
export function parseScenario(text: string, file = 'scenario'): Scenario {
  const draft: Draft = {
    notes: [],
    seed: 1,
    members: undefined,
    profile: 'default',
    gate: 'deadline',
    sealed: false,
    network: GOOD_QUALITY,
    links: [],
    clocks: [],
    events: [],
    endMs: undefined,
  };
  for (const [index, line] of splitFile(text).scenario.split('\n').entries()) {
    if (line.startsWith('#')) draft.notes.push(line.slice(1).trim());
    else if (line.trim() !== '') readLine(draft, new Words(`${file}:${index + 1}`, line));
  }
  const { members, endMs } = draft;
  if (members === undefined) throw missing(file, 'how many members the cluster has', 'members 3');
  if (endMs === undefined) throw missing(file, 'when it ends', 'end 5000');
  const late = draft.events.find(({ atMs }) => atMs > endMs);
  if (late !== undefined) {
    throw new HaleError({
      code: 'scenario_malformed',
      kind: 'usage',
      message: `${file}: the event at ${numberText(late.atMs)} ms comes after the end at ${numberText(endMs)} ms`,
      remedy: 'Let it happen earlier, or let the scenario end later.',
    });
  }
  return { ...draft, members, endMs };
}

type Draft = Omit<Scenario, 'members' | 'endMs' | 'notes' | 'links' | 'clocks' | 'events'> & {
  notes: string[];
  members: number | undefined;
  endMs: number | undefined;
  links: Scenario['links'][number][];
  clocks: Scenario['clocks'][number][];
  events: ScenarioEvent[];
};

function missing(file: string, what: string, example: string): HaleError {
  return new HaleError({
    code: 'scenario_malformed',
    kind: 'usage',
    message: `${file}: the scenario does not say ${what}`,
    remedy: `Add a line such as: ${example}`,
  });
}

function readLine(draft: Draft, words: Words): void {
  const heading = words.oneOf(headings, 'a heading');
  switch (heading) {
    case 'members':
      draft.members = words.whole('the number of members', { least: 1, most: MEMBERS_MAX });
      break;
    case 'profile':
      draft.profile = words.oneOf(profiles, 'a profile');
      break;
    case 'gate':
      draft.gate = words.oneOf(gateKinds, 'a gate');
      break;
    case 'sealed':
      draft.sealed = true;
      break;
    case 'seed':
      draft.seed = words.whole('a seed', SEED_RANGE);
      break;
    case 'network':
      draft.network = readQuality(words);
      break;
    case 'link':
      draft.links.push({ ...readLink(words), quality: readQuality(words) });
      break;
    case 'clock': {
      const host = words.whole('a host', { least: 0, most: HOSTS_MAX - 1 });
      draft.clocks.push({ host, rate: words.number('a rate', RATE_RANGE) });
      break;
    }
    case 'end':
      draft.endMs = words.number('a time in ms', TIME_RANGE);
      break;
    case 'at':
      draft.events.push(readEvent(words));
  }
  words.end();
}

function readEvent(words: Words): ScenarioEvent {
  const atMs = words.number('a time in ms', TIME_RANGE);
  const action = readAction(words);
  if (!words.takes('for')) return { atMs, action };
  if (undoing(action) === undefined) throw words.refuse(`${action.kind} is not undone by itself`, 'Remove for and its time.');
  return { atMs, action, forMs: words.number('a time in ms', TIME_RANGE) };
}
