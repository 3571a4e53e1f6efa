/** Scenarios of the simulator, which people write and shrinking writes. */
import { deepEqual, equal, ok } from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DRIFT_BOUND } from '../../../src/core/lease/timing.ts';
import { generateLife, generateScenario } from '../../../src/sim/generate.ts';
import type { ViolationKind } from '../../../src/sim/monitor.ts';
import { runScenario } from '../../../src/sim/run.ts';
import type { Scenario } from '../../../src/sim/scenario.ts';
import { formatScenario, joinFile, parseScenario, splitFile } from '../../../src/sim/scenario-text.ts';
import { refusalOf } from '../refusal.ts';
import type { Target } from '../target.ts';

/** What generated lives do not hold. */
const WRITTEN = `# by hand
members 3
gate timeout
sealed
link 0>1 loss 0.5 duplicate 0 delay 1..2
clock 2 1.004
at 10 kill-guarded holder after 2.5 for 100
at 20 break 1 withdraw for 30
at 30 configure 2 members 0,1,2 profile fast keys 1,2
at 30 cut holder>1
at 40 network loss 0 duplicate 0 delay 0.1..1
at 50 repair
end 60
---
trace
`;

const scenario: Target = {
  name: 'scenario',
  property: 'a scenario is refused in words with its line, or what is written out reads as the same scenario, with its trace below it',
  seeds: [
    Buffer.from(WRITTEN),
    ...[1, 2, 3].map((seed) => Buffer.from(formatScenario(generateScenario({ seed })))),
    Buffer.from(formatScenario({ ...generateLife({ seed: 1 }), events: generateLife({ seed: 1 }).events.slice(0, 20) })),
  ],
  text: true,
  maxLength: 3000,
  run(input) {
    const text = Buffer.from(input).toString();
    const refusal = refusalOf(() => {
      const read = parseScenario(text, 'x.scenario');
      const written = formatScenario(read);
      deepEqual(parseScenario(written), read);
      equal(formatScenario(parseScenario(written)), written);
      const whole = splitFile(joinFile(read, ['0 one', '1 two']));
      deepEqual([parseScenario(whole.scenario), whole.trace], [read, '0 one\n1 two\n']);
    });
    if (refusal !== undefined) ok(refusal.message.startsWith('x.scenario'), `no place: ${refusal.message}`);
  },
};

const FOLDER = join(import.meta.dirname, '../../../src/core/lease/scenarios');
const LONGEST_MS = 12_000;
const MOST_EVENTS = 40;
const SAFETY: readonly ViolationKind[] = ['two-answer', 'no-majority', 'term'];

/** What the proof of at most one holder assumes, as far as a scenario can break it; see docs/internals/lease.md. */
function keepsAssumptions({ gate, clocks, events }: Scenario): boolean {
  const drifts = clocks.some(({ rate }) => Math.abs(rate - 1) > DRIFT_BOUND);
  return gate === 'deadline' && !drifts && !events.some(({ action }) => action.kind === 'configure');
}

const written = readdirSync(FOLDER).map((file) => splitFile(readFileSync(join(FOLDER, file), 'utf8')).scenario);
const generated = Array.from({ length: 20 }, (_, seed) => generateScenario({ seed }))
  .filter(({ endMs }) => endMs <= LONGEST_MS)
  .map(formatScenario);

const scenarioRun: Target = {
  name: 'scenario-run',
  property: 'whatever scenario can be written runs to its end, and at most one host answers as long as the assumptions hold',
  seeds: [...written, ...generated].map((text) => Buffer.from(text)),
  text: true,
  maxLength: 2000,
  batch: 8,
  quickExecutions: 48,
  run(input) {
    let read: Scenario | undefined;
    const refusal = refusalOf(() => (read = parseScenario(Buffer.from(input).toString())));
    if (refusal !== undefined || read === undefined || read.endMs > LONGEST_MS || read.events.length > MOST_EVENTS) return;
    const { violations } = runScenario(read);
    if (keepsAssumptions(read))
      deepEqual(
        violations.filter(({ kind }) => SAFETY.includes(kind)),
        [],
      );
  },
};

export const scenarioTargets: readonly Target[] = [scenario, scenarioRun];
