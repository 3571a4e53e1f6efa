import { gauge } from '../../core/prometheus/scrape.ts';
import type { EtcdView } from '../../core/etcd/view.ts';
import type { EtcdObserver } from '../../ports/etcd-observer.ts';

/** Quotas by id of the member, from the metrics of those whose status does not tell (before etcd 3.6). */
export async function quotasOf(etcd: EtcdObserver, { members }: EtcdView): Promise<ReadonlyMap<string, number>> {
  const quotas = await Promise.all(
    members.map(async ({ id, url, status }) => {
      if (status === null || url === null || status.quotaBytes !== undefined) return [];
      const observation = await etcd.observe(url).catch(() => undefined);
      const quota = observation && gauge(observation.scrape, 'etcd_server_quota_backend_bytes');
      return quota == null ? [] : [[id, quota] as const];
    }),
  );
  return new Map(quotas.flat());
}
