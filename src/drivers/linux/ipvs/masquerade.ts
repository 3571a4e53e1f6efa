/**
 * IPVS rewrites where a packet goes and leaves where it comes from, so a real server would answer a client directly, from an address that the
 * client never asked. This table makes the director the source, as kube-vip does with iptables. Needs net.ipv4.vs.conntrack.
 */
import { spawnSync } from 'node:child_process';
import { familyOf } from '../../../base/address.ts';
import { attribute, type Netlink, NLM_F_DUMP, zeroTerminated } from '../netlink.ts';
import type { End } from './codec.ts';

const MASQUERADE_TABLE = 'hale-ipvs';
const CHAIN = 'outgoing';
const NFNL_SUBSYS_NFTABLES = 10;
const NFT_MSG_GETRULE = 7;
const NFPROTO_INET = 1;
const NFTA_RULE_TABLE = 1;

/**
 * One rule for each frontend. A connection that was made to the address and goes elsewhere is one that IPVS has rewritten; one that stays on this
 * host would not find back with another source. The comment tells a later run which virtual servers are hale's.
 */
export function masqueradeRules(frontends: readonly End[]): string {
  const rules = frontends.map((frontend) => {
    const ip = familyOf(frontend.address) === 'IPv4' ? 'ip' : 'ip6';
    const asked = `meta l4proto tcp ct original ${ip} daddr ${frontend.address} ct original proto-dst ${frontend.port}`;
    return `oifname != "lo" ${asked} ${ip} daddr != ${frontend.address} counter masquerade comment "${frontend.address} ${frontend.port}"`;
  });
  return `table inet ${MASQUERADE_TABLE}
delete table inet ${MASQUERADE_TABLE}
table inet ${MASQUERADE_TABLE} {
  chain ${CHAIN} {
    type nat hook postrouting priority srcnat; policy accept;
    ${rules.join('\n    ')}
  }
}
`;
}

export const DELETE_MASQUERADE = `table inet ${MASQUERADE_TABLE}
delete table inet ${MASQUERADE_TABLE}
`;

/** How many rules there are; 0 without the table. */
export function masqueradeRuleCount(netfilter: Netlink): number {
  const payload = Buffer.concat([Buffer.from([NFPROTO_INET, 0, 0, 0]), attribute(NFTA_RULE_TABLE, zeroTerminated(MASQUERADE_TABLE))]);
  const answer = netfilter.request([{ type: (NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETRULE, flags: NLM_F_DUMP, payload }]);
  return answer.ok ? answer.messages.length : 0;
}

export interface MasqueradeRule extends End {
  packets: number;
  bytes: number;
}

/** The rules of this or an earlier run, by running `nft`; undefined without the table. */
export function readMasquerade(): MasqueradeRule[] | undefined {
  const run = spawnSync('nft', ['--json', 'list', 'table', 'inet', MASQUERADE_TABLE], { encoding: 'utf8' });
  return run.status === 0 ? parseMasquerade(run.stdout) : undefined;
}

/** From `nft --json` (libnftables-json(5)); what is no rule of ours is passed over. */
export function parseMasquerade(json: string): MasqueradeRule[] {
  return [...json.matchAll(/"comment": "(?<address>[\d.:a-f]+) (?<port>\d+)".*?"packets": (?<packets>\d+), "bytes": (?<bytes>\d+)/gs)].map(
    ({ groups }) => ({
      address: groups?.['address'] as string,
      port: Number(groups?.['port']),
      packets: Number(groups?.['packets']),
      bytes: Number(groups?.['bytes']),
    }),
  );
}
