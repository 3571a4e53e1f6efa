/** Observations at or below each upper bound, as `le` of a Prometheus histogram has them: `[bound, count]`, in any order. */
export type Buckets = readonly (readonly [bound: number, count: number])[];

export interface Quantile {
  /** Interpolated within its bucket; where that has no upper end, its lower end. */
  value: number;
  /** The bucket that the quantile lies in for certain, in the histogram's unit. `upper` is Infinity for the last. */
  lower: number;
  upper: number;
}

/**
 * The q-quantile (0 < q < 1) of a histogram by the rules of PromQL's `histogram_quantile`: linear within the bucket, whose lower end is the
 * bound before, or 0. Undefined of nothing, without the bucket `+Inf`, which says how many there are, and where that is the only one.
 */
export function histogramQuantile(buckets: Buckets, q: number): Quantile | undefined {
  const sorted = nonDecreasing(buckets);
  const [last, total] = sorted.at(-1) ?? [0, 0];
  if (sorted.length < 2 || last !== Number.POSITIVE_INFINITY || !(total > 0)) return undefined;
  const rank = q * total;
  const index = sorted.findIndex(([, count]) => count >= rank);
  const [upper, count] = sorted[index] as [number, number];
  const [below, before] = sorted[index - 1] ?? [Math.min(0, upper), 0];
  if (upper === Number.POSITIVE_INFINITY) return { value: below, lower: below, upper };
  const value = below + (upper - below) * ((rank - before) / (count - before));
  // Rounding may carry it over the bound.
  return { value: Math.min(value, upper), lower: below, upper };
}

/** How many there are: the bucket `+Inf`; undefined without it. */
export function observations(buckets: Buckets): number | undefined {
  return buckets.find(([bound]) => bound === Number.POSITIVE_INFINITY)?.[1];
}

/** Buckets of a scrape are read one after the other while requests end, so that a later one may lag behind. */
function nonDecreasing(buckets: Buckets): [number, number][] {
  let most = 0;
  return buckets.toSorted(([a], [b]) => a - b).map(([bound, count]) => [bound, (most = Math.max(most, count))]);
}
