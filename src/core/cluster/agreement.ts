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
}): string {
  const members = cluster.members.map(({ name, address }) => [name, address]);
  return JSON.stringify([cluster.name, members, cluster.addresses, cluster.leaseMs]);
}
