/** A path through the explored states, for people. */
import type { LeaseMessage } from '../../core/lease/message.ts';
import type { PathStep, Violation } from './explore.ts';
import { type Action, answering, type Flight, type Scope, type World } from './world.ts';

/** One line a step: true time, what happened, what was sent, who answers afterwards. */
export function traceLines(scope: Scope, violation: Violation): string[] {
  const rates = scope.rates.map((rate, member) => `member ${member} at ${rate}`).join(', ');
  const lines = violation.path.map((step, index) => `${String(index + 1).padStart(3)}  ${describeStep(step)}`);
  return [`scope ${scope.name}; clock rates: ${rates}`, ...lines, `     ${violation.reason}`];
}

function describeStep({ before, action, after }: PathStep): string {
  const time = `${(after ?? before).now.toFixed(1).padStart(7)} ms  `;
  const what = describeAction(before, action);
  if (after === undefined) return `${time}${what}`;
  const sent = after.flights.slice(before.flights.length - (action.kind === 'deliver' ? 1 : 0)).map((flight) => describeFlight(flight));
  const holders = answering(after);
  const changed = holders.join() !== answering(before).join();
  const notes = [
    sent.length > 0 ? `sends ${sent.join('; ')}` : '',
    changed ? `answers for the address: ${holders.join(' and ') || 'nobody'}` : '',
  ];
  return [`${time}${what}`, ...notes.filter((note) => note !== '')].join('\n                  -> ');
}

function describeAction(world: World, action: Action): string {
  switch (action.kind) {
    case 'advance':
      return 'time passes';
    case 'tick':
      return `member ${action.member} does what is due (${world.members[action.member]?.role.name})`;
    case 'stand':
      return `member ${action.member} stands`;
    case 'crash':
      return `member ${action.member} loses power`;
    case 'kill':
      return `the agent of member ${action.member} is killed; its kernel goes on`;
    case 'guard':
      return `the agent of member ${action.member} is killed; its guardian withdraws and releases`;
    case 'restart':
      return `member ${action.member} starts`;
    case 'drain':
      return `member ${action.member} is drained`;
    case 'deliver':
    case 'duplicate': {
      const copy = action.kind === 'duplicate' ? ', and a copy stays under way' : '';
      return `arrives: ${describeFlight(world.flights[action.flight] as Flight)}${copy}`;
    }
  }
}

function describeFlight({ from, to, message }: Flight): string {
  return `${from} > ${to} ${describeMessage(message)}`;
}

function describeMessage(message: LeaseMessage): string {
  const round = 'round' in message ? ` of round ${message.round.boot}.${message.round.seq}` : '';
  const term = 'term' in message ? ` in term ${message.term}` : '';
  if (message.kind === 'request') return `request to ${message.purpose}${round}${term}`;
  if (message.kind === 'refusal') return `refusal (${message.reason})${round}`;
  if (message.kind === 'handover') return `handover to ${message.successor}${term}`;
  return `${message.kind}${round}${term}`;
}
