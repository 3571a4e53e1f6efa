import type { Cluster } from '../cluster/schema.ts';

/** 36 of `v1.36.4`: what flags and formats go by. */
export function kubernetesMinor({ kubernetes: { version } }: Pick<Cluster, 'kubernetes'>): number {
  return Number(version.split('.')[1]);
}
