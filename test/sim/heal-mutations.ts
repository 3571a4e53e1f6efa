/** Bugs to plant into healing and draining, each a change of one file of them, the life in which it shows, and what the monitors then say. */
import type { HealViolationKind } from '../../src/sim/heal/monitor.ts';
import type { HealScenario } from '../../src/sim/heal/scenario.ts';
import { workerNames } from '../../src/sim/heal/world.ts';
import { at, deadlock, DEADLOCKED, FREE, scenario } from './heal-scenarios.ts';

export interface HealMutation {
  /** What the broken code does. */
  name: string;
  file: string;
  changes: readonly { find: string; replace: string }[];
  kind: HealViolationKind;
  /** A life of its own; without one the first seeds. */
  life?: HealScenario;
}

const change = (find: string, replace: string) => ({ find, replace });
const brakes = 'src/core/heal/brakes.ts';
const plan = 'src/core/heal/plan.ts';
const controller = 'src/core/heal/controller.ts';
const steps = 'src/engine/heal/steps.ts';
const some = (names: readonly string[], kind: 'hang' | 'broken') =>
  names.map((host) => at(3, { kind, host }, kind === 'broken' ? 30 : undefined));
const rebooting = [deadlock(['cordon', 'drain', 'reboot'])];

export const healMutations: readonly HealMutation[] = [
  {
    name: 'one too many at once',
    file: brakes,
    changes: [change('busy.nodes.length >= atOnce', 'busy.nodes.length > atOnce')],
    kind: 'at-once',
    life: scenario({ faults: some(['w1', 'w2', 'w3'], 'hang'), policy: { limits: { atOncePerZone: 9 } } }),
  },
  {
    name: 'one too many in a zone',
    file: brakes,
    changes: [change('inZone.length < most', 'inZone.length <= most')],
    kind: 'zone',
    life: scenario({ faults: some(['w1', 'w4', 'w7'], 'hang'), policy: { limits: { atOnce: 5 } } }),
  },
  {
    name: 'one too many an hour',
    file: brakes,
    changes: [change('busy.begunWithinHour < limits.perHour', 'busy.begunWithinHour <= limits.perHour')],
    kind: 'hourly',
    life: scenario({ faults: some(['w1', 'w2', 'w3', 'w4'], 'hang'), policy: { limits: { perHour: 2 } } }),
  },
  {
    name: 'two control-plane hosts',
    file: brakes,
    changes: [change('  if (busy !== undefined) {', '  if (busy !== undefined && busy.name === node.name) {')],
    kind: 'control-plane',
    life: scenario({ rules: rebooting, policy: FREE, faults: ['cp1', 'cp2'].map((host) => at(3, { ...DEADLOCKED, host }, 30)) }),
  },
  {
    name: 'the quorum of etcd is not asked about',
    file: 'src/core/heal/quorum.ts',
    changes: [change('{ bearable: after.canLose >= 0,', '{ bearable: true,')],
    kind: 'quorum',
    life: scenario({
      rules: rebooting,
      policy: FREE,
      faults: [at(3, { kind: 'broken', host: 'cp1' }, 40), at(6, { ...DEADLOCKED, host: 'cp2' }, 30)],
    }),
  },
  { name: 'nodes that just fell silent count as healthy', file: plan, changes: [change('isQuiet(one, now) || ', '')], kind: 'half' },
  {
    name: 'a pause does not hold',
    file: brakes,
    changes: [change('if (paused !== undefined)', "if (paused === 'nobody')")],
    kind: 'paused',
    life: scenario({ faults: [at(2, { kind: 'pause' }, 30), at(5, { kind: 'hang', host: 'w1' })] }),
  },
  {
    name: 'the taint is set without proof that the host is off',
    file: steps,
    changes: [
      change("if (state.kind === 'off') return { kind: 'done' };", "if (state.kind !== 'unknown') return { kind: 'done' };"),
      change("if (state.kind !== 'off') return unproven(state);", "if (state.kind === 'unknown') return unproven(state);"),
    ],
    kind: 'fence',
    life: scenario({ faults: some(['w1'], 'hang') }),
  },
  {
    name: 'Pods are deleted by force instead of evicted',
    file: 'src/engine/heal/drain.ts',
    changes: [change('api.evict(pod, grace)', 'api.deletePod(pod, { graceSeconds: 0 })')],
    kind: 'twice',
    life: scenario({
      hasPower: false,
      policy: FREE,
      faults: ['w1', 'w2', 'w3', 'w4'].map((host, i) => at(3 + i, { kind: 'cut', hosts: [host] }, 5)),
    }),
  },
  {
    name: 'a drain ends with Pods that may not go',
    file: 'src/core/heal/drain/drain.ts',
    changes: [
      change("every(({ phase }) => phase === 'gone')) return;", "every(({ phase }) => phase === 'gone' || phase === 'blocked')) return;"),
    ],
    kind: 'budget',
    life: scenario({
      hasTightBudgets: true,
      rules: rebooting,
      faults: [at(3, { ...DEADLOCKED, host: 'w1' }), at(4, { ...DEADLOCKED, host: 'w2' })],
    }),
  },
  {
    name: "what a person cordoned is nobody's",
    file: 'src/core/heal/foreign.ts',
    changes: [change('if (unschedulable && record?.cordoned !== true)', 'if (unschedulable && record?.cordoned === false)')],
    kind: 'foreign',
    life: scenario({ faults: [at(3, { kind: 'person', host: 'w1' }, 30), at(5, { kind: 'hang', host: 'w1' })] }),
  },
  {
    name: 'taints of other controllers are overlooked',
    file: 'src/core/heal/foreign.ts',
    changes: [
      change('if (taint !== undefined) return', 'if (taint?.key === undefined) return undefined;\n  if (taint.key.length === 0) return'),
    ],
    kind: 'foreign',
    life: scenario({
      faults: [at(3, { kind: 'mark', host: 'w1', taint: 'karpenter.sh/disrupted' }, 30), at(5, { kind: 'hang', host: 'w1' })],
    }),
  },
  {
    name: 'the cordon is not taken back',
    file: steps,
    changes: [change('...(cordoned ? { unschedulable: false } : {}),', '...(cordoned ? {} : {}),')],
    kind: 'liveness',
    life: scenario({ faults: some(['w1'], 'hang'), calmMs: 3_600_000 }),
  },
  {
    name: 'a remedy after a failed one forgets the taint of that',
    file: controller,
    changes: [change('tainted: before?.tainted === true,', 'tainted: before === null,')],
    kind: 'liveness',
    life: scenario({ faults: some(['w1'], 'broken'), policy: { patienceSeconds: 60, limits: { backOffSeconds: 60, perHour: 99 } } }),
  },
  {
    name: 'a host that is well again is stopped all the same',
    file: plan,
    changes: [change('boots(step) && i < record.step)', 'boots(step) && i <= record.step)')],
    kind: 'healthy',
    life: scenario({
      policy: { patienceSeconds: 3600 },
      faults: [at(3, { kind: 'bmc', hosts: ['w1'] }, 12), at(3, { kind: 'cut', hosts: ['w1'] }, 2)],
    }),
  },
  {
    name: 'a step that is done is done again when the write of that came too late',
    file: controller,
    changes: [change('if (done?.startedAtMs === record.startedAtMs &&', 'if (done?.startedAtMs === -1 &&')],
    kind: 'twice-done',
    life: scenario({ faults: some(['w1'], 'hang') }),
  },
  {
    name: 'a controller that was frozen goes on without a look',
    file: steps,
    changes: [change('(isSameWork(job, node) ? { ...change(node), version: node.version } : OVERTAKEN)', 'change(node)')],
    kind: 'liveness',
    life: scenario({
      policy: { patienceSeconds: 3600 },
      faults: [at(2, { kind: 'strike', on: 'read', blow: 'freeze' }, 4), at(3, { kind: 'cut', hosts: ['w1'] }, 0.9)],
      calmMs: 3_600_000,
    }),
  },
  {
    name: 'a new controller acts before it has seen who is silent',
    file: controller,
    changes: [change('const SETTLE_MS = 20_000;', 'const SETTLE_MS = 10_000;')],
    kind: 'half',
    life: scenario({
      hasPower: false,
      faults: [
        at(2, { kind: 'strike', on: 'cordon', blow: 'kill' }, 3),
        at(3, { kind: 'outage', host: 'w1' }, 5),
        at(3.5, { kind: 'cut', hosts: workerNames(8) }, 5),
      ],
    }),
  },
];
