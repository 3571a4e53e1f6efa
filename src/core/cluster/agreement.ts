/**
 * What agents must agree on before they listen to each other, as text to be hashed: above all the members and the length of a promise.
 * Two member lists that differ by one host cannot both have a majority while each host follows one of them, because
 * majority(n) + majority(n + 1) > n + 1. Lists that differ by more can.
 */
export function agreement(cluster: {
  name: string;
  members: readonly { name: string; address: string }[];
  /** Of the endpoint. */
  addresses: readonly string[];
  leaseMs: number;
  /** Where the quorum lease does not decide who answers for the address: what does. */
  decidedBy?: string;
}): string {
  const members = cluster.members.map(({ name, address }) => [name, address]);
  const decided = cluster.decidedBy === undefined ? [] : [cluster.decidedBy];
  return JSON.stringify([cluster.name, members, cluster.addresses, cluster.leaseMs, ...decided]);
}
