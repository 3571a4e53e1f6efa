/** The gate that an agent left on purpose, where the next one wants none, or has it on another interface. */
import { done, type Effect } from '../../ports/effect.ts';
import { removeLeftover } from './bpf/clsact.ts';
import { listLinks } from './links.ts';
import { NETLINK_NETFILTER, NETLINK_ROUTE, openNetlink } from './netlink.ts';
import { countRules, deleteTable, transaction } from './nft-sets.ts';
import { TABLE } from './ruleset.ts';

/** Removes table and deadlines from all interfaces, or all but the one of that index; says whether there was a table. */
export function removeLeftGate({ except }: { except?: number } = {}): { effect: Effect; hadTable: boolean } {
  const netfilter = openNetlink(NETLINK_NETFILTER);
  const hadTable = (countRules(netfilter, { table: TABLE }) ?? 0) > 0;
  const gone = hadTable ? transaction(netfilter, [deleteTable(TABLE)]) : undefined;
  netfilter.close();
  const effect: Effect =
    gone === undefined || gone.ok ? done : { ok: false, reason: `the table netdev ${TABLE} could not be deleted: ${gone.reason}` };
  const route = openNetlink(NETLINK_ROUTE);
  for (const { index } of listLinks()) if (index !== except) removeLeftover(route, index);
  route.close();
  return { effect, hadTable };
}
