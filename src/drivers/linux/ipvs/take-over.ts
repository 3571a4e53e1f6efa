/** What the `ipvs` datapath needs before its first virtual server. */
import { familyOf } from '../../../base/address.ts';
import { HaleError } from '../../../base/error.ts';
import type { DatapathPlan } from '../../../core/balancer/plan.ts';
import type { Effect } from '../../../ports/effect.ts';
import { runNft } from '../nft-program.ts';
import { deleteService, type End } from './codec.ts';
import { isSame, nameOf } from './desired.ts';
import { masqueradeRules, readMasquerade } from './masquerade.ts';
import { applySettings, forwardingProblem } from './settings.ts';
import { type IpvsTable, openTable } from './table.ts';

/** Throws HaleError `ipvs_no_backend_of_family`, `ipvs_needs_forwarding`. */
export function checkFrontends({ frontends, backends }: DatapathPlan): void {
  for (const frontend of frontends) {
    const family = familyOf(frontend.address);
    if (!backends.some((backend) => familyOf(backend.address) === family)) {
      throw new HaleError({
        code: 'ipvs_no_backend_of_family',
        kind: 'usage',
        message: `${nameOf(frontend)}: no control-plane host has an ${family} address, and IPVS does not translate between IPv4 and IPv6`,
        remedy: `Give each host in controlPlane.hosts an ${family} address, or choose \`datapath: proxy\`.`,
      });
    }
    const parameter = forwardingProblem(family);
    if (parameter !== undefined) {
      throw new HaleError({
        code: 'ipvs_needs_forwarding',
        kind: 'world',
        message: `${parameter} is not 1: answers of the other hosts' API servers would not pass through this host to the clients of ${nameOf(frontend)}`,
        remedy: `Run \`sysctl -w ${parameter}=1\`, and put it into a file in /etc/sysctl.d; Kubernetes needs it as well.`,
      });
    }
  }
}

/** Opens the table, without what an earlier run of hale has left at other addresses. Throws what `IpvsDatapath.open` says, with nothing changed. */
export function takeOver(frontends: readonly End[]): { table: IpvsTable; restoreSettings: () => Effect } {
  const table = openTable();
  let restoreSettings: (() => Effect) | undefined;
  try {
    restoreSettings = applySettings();
    const former = readMasquerade() ?? [];
    const made = runNft(masqueradeRules(frontends));
    if (!made.ok) {
      throw new HaleError({
        code: 'ipvs_masquerade_refused',
        kind: 'world',
        message: `connections through IPVS cannot be masqueraded: ${made.reason}`,
        remedy: 'Install nftables 1.0 or later; the kernel needs the modules nf_tables, nft_chain_nat, nft_masq and nft_ct.',
      });
    }
    table.change(former.filter((old) => !frontends.some((frontend) => isSame(old, frontend))).map(deleteService));
    return { table, restoreSettings };
  } catch (error) {
    restoreSettings?.();
    table.close();
    throw error;
  }
}
