import { printable } from '../../base/printable.ts';
import { ExpositionReader, parseNumber, type Sample } from './exposition.ts';
import { METRIC_NAMES, METRICS, type MetricName } from './metrics.ts';

/** What one scrape of an API server said, added up. */
export interface Scrape {
  /** When the answer began, in milliseconds of a clock that does not jump. */
  atMs: number;
  lines: number;
  /** Lines that are not of the format, or whose sample makes no sense. */
  malformed: number;
  firstMalformed: { line: number; excerpt: string } | null;
  /** Samples beyond what is kept of one metric. */
  dropped: number;
  series: ReadonlyMap<MetricName, readonly Series[]>;
}

export interface Series {
  /** Values of the labels of METRICS, in their order. */
  labels: readonly string[];
  /** Upper end of a histogram's bucket; null of anything else. */
  bound: number | null;
  value: number;
}

/** Different verbs, codes, levels, operations, webhooks times buckets: far fewer are real. */
const SERIES_MAX = 5000;

/** Those that are kept are words such as LIST. */
const LABEL_CHARS_MAX = 100;

/** Takes in the text of one scrape and keeps the sums, whose number is bounded whatever is sent. */
export class ScrapeReader {
  readonly #reader: ExpositionReader;
  readonly #series = new Map<MetricName, Map<string, Series>>();
  #dropped = 0;

  constructor() {
    this.#reader = new ExpositionReader({ wants: isMetric, onSample: (sample) => this.#add(sample) });
  }

  push(chunk: string): void {
    this.#reader.push(chunk);
  }

  finish(atMs: number): Scrape {
    this.#reader.end();
    const { lines, malformed, firstMalformed } = this.#reader;
    const series = new Map([...this.#series].map(([name, kept]) => [name, [...kept.values()]]));
    return { atMs, lines, malformed, firstMalformed, dropped: this.#dropped, series };
  }

  #add({ name, labels, value }: Sample): boolean {
    if (!isMetric(name) || !Number.isFinite(value)) return false;
    const { type, labels: keys, leaveOut } = METRICS[name];
    const bound = type === 'histogram' ? parseNumber(labels.get('le') ?? '') : null;
    if (bound === undefined || Number.isNaN(bound) || (type !== 'gauge' && value < 0)) return false;
    const kept = this.#seriesOf(name);
    if (leaveOut?.(labels)) return true;
    const values = keys.map((key) => printable(labels.get(key) ?? '').slice(0, LABEL_CHARS_MAX));
    const id = JSON.stringify([bound === null ? null : String(bound), ...values]);
    const series = kept.get(id);
    if (series !== undefined) series.value += value;
    else if (kept.size < SERIES_MAX) kept.set(id, { labels: values, bound, value });
    else this.#dropped++;
    return true;
  }

  /** Also of a metric all of whose samples are left out: it is served. */
  #seriesOf(name: MetricName): Map<string, Series> {
    let kept = this.#series.get(name);
    if (kept === undefined) this.#series.set(name, (kept = new Map<string, Series>()));
    return kept;
  }
}

function isMetric(name: string): name is MetricName {
  return Object.hasOwn(METRICS, name);
}

/** Metrics that every API server serves, but this one did not. */
export function missingMetrics({ series }: Scrape): MetricName[] {
  return METRIC_NAMES.filter((name) => METRICS[name].appearsLater === undefined && !series.has(name));
}
