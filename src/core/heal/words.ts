import { durationText } from './brakes.ts';
import type { Verdict } from './plan.ts';
import type { RemedyRecord } from './record.ts';

/** A verdict in two columns: what is done, and why or why not. */
export function verdictText(verdict: Verdict): { what: string; why: string } {
  switch (verdict.kind) {
    case 'healthy':
      return { what: 'nothing', why: 'it is not quite healthy, and no rule is for that' };
    case 'suspected':
      return { what: 'nothing yet', why: `${verdict.why}; rule ${verdict.rule} begins in ${durationText(verdict.dueInMs)}` };
    case 'begin':
      return { what: verdict.steps.join(', '), why: `rule ${verdict.rule}: ${verdict.why}` };
    case 'refused':
      return { what: `refused: ${verdict.brake}`, why: `${verdict.text} (rule ${verdict.rule}: ${verdict.why})` };
    case 'step':
      return { what: `${verdict.step} (${placeText(verdict.record)})`, why: recordText(verdict.record) };
    case 'held':
      return { what: `held before ${verdict.step}: ${verdict.brake}`, why: `${verdict.text} (${recordText(verdict.record)})` };
    case 'awaited':
      return { what: 'wait', why: `${verdict.text} (${recordText(verdict.record)})` };
    case 'recovered':
      return { what: 'take back', why: `it is healthy again (${recordText(verdict.record)})` };
    case 'out-of-patience':
      return { what: 'give up', why: `${verdict.problem} (${recordText(verdict.record)})` };
    case 'failed':
      return { what: 'a person decides', why: `${verdict.record.problem} (${recordText(verdict.record)})` };
    default:
      return verdict satisfies never;
  }
}

function placeText({ step, steps }: RemedyRecord): string {
  return `step ${step + 1} of ${steps.length}`;
}

function recordText({ rule, why, problem, state }: RemedyRecord): string {
  const failed = problem === '' || state === 'failed' ? '' : `; tried again after: ${problem}`;
  return `rule ${rule}: ${why}${failed}`;
}
