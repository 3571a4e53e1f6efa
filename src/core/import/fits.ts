import { clusterSchema } from '../cluster/schema.ts';
import { dnsName, zoneName } from '../cluster/values.ts';
import type { Value } from './claim.ts';

const OF_HOSTS: Readonly<Record<string, ReturnType<typeof dnsName>>> = { zone: zoneName, host: dnsName('cp1') };

const known = new Map<string, boolean>();

/** Whether cluster.yaml takes this value at this key, by its schema. Of hosts: `zone`, and `host` for their names. */
export function fits(key: string, value: Value): boolean {
  const id = JSON.stringify([key, value]);
  const before = known.get(id);
  if (before !== undefined) return before;
  const kind = OF_HOSTS[key];
  const fit = kind === undefined ? fitsSchema(key.split('.'), value) : kind.safeParse(value).success;
  // Versions and addresses of many clusters must not gather in a long-lived process.
  if (known.size > 10_000) known.clear();
  known.set(id, fit);
  return fit;
}

function fitsSchema(path: readonly string[], value: Value): boolean {
  const cluster: Record<string, unknown> = {
    apiVersion: 'hale.dev/v1alpha1',
    kind: 'Cluster',
    name: 'any',
    endpoint: { address: '192.0.2.100' },
    controlPlane: { hosts: [{ name: 'any', address: '192.0.2.11/24' }] },
  };
  let at = cluster;
  for (const step of path.slice(0, -1)) at = (at[step] ??= {}) as Record<string, unknown>;
  at[path.at(-1) as string] = value;
  return clusterSchema.safeParse(cluster).success;
}
