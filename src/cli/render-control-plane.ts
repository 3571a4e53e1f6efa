import { styleText } from 'node:util';
import type { Leader } from '../core/apiserver/leader.ts';
import type { ApiserverStatus, ControlPlaneStatus } from '../drivers/kubernetes/control-plane.ts';
import { table } from './table.ts';

/** The API servers in their own words, and who leads the controllers. */
export function renderControlPlane({ withoutCredentials, apiservers, leaders, leadersProblem }: ControlPlaneStatus): string {
  const tables = [table(['API SERVER', 'READY', 'WHY NOT'], apiservers.map(apiserverRow))];
  if (leaders.length > 0) tables.push(table(['COMPONENT', 'LEADER', 'SINCE', 'RENEWED', 'CHANGES'], leaders.map(leaderRow)));
  const notes: string[] = [];
  if (withoutCredentials !== null) notes.push(`who leads the controllers is not known without credentials: ${withoutCredentials}`);
  if (leadersProblem !== null) notes.push(`who leads the controllers is not known: ${leadersProblem}`);
  if (notes.length > 0) tables.push(notes.map((note) => `${styleText('yellow', note)}\n`).join(''));
  return tables.join('\n');
}

function apiserverRow({ name, ready, failing, problem }: ApiserverStatus): string[] {
  const checks = failing.map(({ check, reason }) => (reason === null ? check : `${check} (${reason})`));
  return [name, ready === null ? 'no answer' : ready ? 'yes' : 'no', problem ?? checks.join(', ')];
}

function leaderRow({ component, holder, since, renewedMsAgo, stale, transitions }: Leader): string[] {
  const renewed = renewedMsAgo === null ? '-' : `${(renewedMsAgo / 1000).toFixed(1)} s ago`;
  return [component, holder ?? 'nobody', since?.replace(/\.\d+/, '') ?? '-', stale ? `${renewed}: too long` : renewed, `${transitions}`];
}
