import type { Scrape as ScrapeOf } from '../prometheus/scrape.ts';
import { METRIC_NAMES, METRICS, type MetricName } from './metrics.ts';

/** What one scrape of an API server said, added up. */
export type Scrape = ScrapeOf<MetricName>;

/** Metrics that every API server serves, but this one did not. */
export function missingMetrics({ series }: Scrape): MetricName[] {
  return METRIC_NAMES.filter((name) => METRICS[name].appearsLater === undefined && !series.has(name));
}
