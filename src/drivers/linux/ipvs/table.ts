/** The table of virtual servers of this network namespace. */
import { spawnSync } from 'node:child_process';
import { HaleError } from '../../../base/error.ts';
import { NETLINK_GENERIC, resolveFamily } from '../genetlink.ts';
import { openNetlink, type NetlinkAnswer, type NetlinkRefusal } from '../netlink.ts';
import {
  decodeServer,
  decodeService,
  type End,
  IPVS_FAMILY,
  type IpvsRequest,
  listServers,
  listServices,
  type RealServer,
  type VirtualServer,
} from './codec.ts';

export interface IpvsTable {
  /** TCP services with an address and a port. */
  services(): VirtualServer[] | NetlinkRefusal;
  servers(service: End): RealServer[] | NetlinkRefusal;
  /** Carries out the requests one after the other; tells the first that is refused, and goes on after it. */
  change(requests: readonly IpvsRequest[]): NetlinkAnswer;
  close(): void;
}

/** Undefined when the kernel has no IPVS now. */
export function openLoadedTable(): IpvsTable | undefined {
  const netlink = openNetlink(NETLINK_GENERIC);
  const family = resolveFamily(netlink, IPVS_FAMILY);
  if (!family.ok) {
    netlink.close();
    return undefined;
  }
  const typed = (request: IpvsRequest) => ({ ...request, type: family.id });
  const list = <T>(request: IpvsRequest, decode: (message: NonNullable<Parameters<typeof decodeService>[0]>) => T | undefined) => {
    const answer = netlink.request([typed(request)]);
    return answer.ok ? answer.messages.flatMap((message) => decode(message) ?? []) : answer;
  };
  return {
    services: () => list(listServices(), decodeService),
    servers: (service) => list(listServers(service), (message) => decodeServer(message, service)),
    change(requests) {
      const refused = requests.map((request) => netlink.request([typed(request)])).find((answer) => !answer.ok);
      return refused ?? { ok: true, messages: [] };
    },
    close: () => netlink.close(),
  };
}

/** Loads the kernel's module when it is not there. Throws HaleError `ipvs_unavailable`, `netlink_unavailable`. */
export function openTable(): IpvsTable {
  const loaded = openLoadedTable();
  if (loaded !== undefined) return loaded;
  const modprobe = spawnSync('modprobe', ['ip_vs'], { encoding: 'utf8' });
  const table = openLoadedTable();
  if (table !== undefined) return table;
  const words = modprobe.error?.message ?? modprobe.stderr.trim().split('\n').at(-1) ?? '';
  throw new HaleError({
    code: 'ipvs_unavailable',
    kind: 'world',
    message: `this kernel has no IPVS, and \`modprobe ip_vs\` did not bring it: ${words || 'the module is there, but not for this network namespace'}`,
    remedy:
      'Install the modules ip_vs and ip_vs_lc of the running kernel (Debian and Ubuntu: linux-image or linux-modules-extra, RHEL: kernel-modules), or choose another `datapath`.',
  });
}
