/** Scenarios of the simulator, which people write and shrinking writes. */
import { deepEqual, equal, ok } from 'node:assert/strict';
import { generateLife, generateScenario } from '../../../src/sim/generate.ts';
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

export const scenarioTargets: readonly Target[] = [scenario];
