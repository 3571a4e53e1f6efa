import { printable } from '../../base/printable.ts';
import { ExpositionReader, parseNumber, type Sample } from './exposition.ts';

/** What is kept of one metric, by the name of its samples. */
export interface Metric {
  type: 'counter' | 'gauge' | 'histogram';
  /** Samples that agree in these labels are added up. */
  labels: readonly string[];
  /** What it tells, for the documentation. */
  tells: string;
  /** Only served once something was counted: not there means none. */
  appearsLater?: true;
  /** A sample with such labels is left out. */
  leaveOut?: (labels: ReadonlyMap<string, string>) => boolean;
}

export type Metrics<Name extends string> = Readonly<Record<Name, Metric>>;

/** What one scrape of an exporter said, added up. */
export interface Scrape<Name extends string> {
  /** When the answer began, in milliseconds of a clock that does not jump. */
  atMs: number;
  lines: number;
  /** Lines that are not of the format, or whose sample makes no sense. */
  malformed: number;
  firstMalformed: { line: number; excerpt: string } | null;
  /** Samples beyond what is kept of one metric. */
  dropped: number;
  series: ReadonlyMap<Name, readonly Series[]>;
}

export interface Series {
  /** Values of the labels of its Metric, in their order. */
  labels: readonly string[];
  /** Upper end of a histogram's bucket; null of anything else. */
  bound: number | null;
  value: number;
}

/** Different verbs, codes, levels, operations, webhooks times buckets: far fewer are real. */
const SERIES_MAX = 5000;

/** Those that are kept are words such as LIST. */
const LABEL_CHARS_MAX = 100;

/** Takes in the text of one scrape and keeps the sums of `metrics`, whose number is bounded whatever is sent. */
export class ScrapeReader<Name extends string> {
  readonly #metrics: Metrics<Name>;
  readonly #reader: ExpositionReader;
  readonly #series = new Map<Name, Map<string, Series>>();
  #dropped = 0;

  constructor(metrics: Metrics<Name>) {
    this.#metrics = metrics;
    this.#reader = new ExpositionReader({ wants: (name) => this.#isWanted(name), onSample: (sample) => this.#add(sample) });
  }

  push(chunk: string): void {
    this.#reader.push(chunk);
  }

  finish(atMs: number): Scrape<Name> {
    this.#reader.end();
    const { lines, malformed, firstMalformed } = this.#reader;
    const series = new Map([...this.#series].map(([name, kept]) => [name, [...kept.values()]]));
    return { atMs, lines, malformed, firstMalformed, dropped: this.#dropped, series };
  }

  #isWanted(name: string): name is Name {
    return Object.hasOwn(this.#metrics, name);
  }

  #add({ name, labels, value }: Sample): boolean {
    if (!this.#isWanted(name) || !Number.isFinite(value)) return false;
    const { type, labels: keys, leaveOut } = this.#metrics[name];
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
  #seriesOf(name: Name): Map<string, Series> {
    let kept = this.#series.get(name);
    if (kept === undefined) this.#series.set(name, (kept = new Map<string, Series>()));
    return kept;
  }
}

/** The sum of a gauge's series, or of those whose first label is `label`. */
export function gauge<Name extends string>({ series }: Scrape<Name>, name: NoInfer<Name>, label?: string): number | null {
  const found = series.get(name);
  if (found === undefined) return null;
  return found.filter(({ labels }) => label === undefined || labels[0] === label).reduce((total, { value }) => total + value, 0);
}

export interface Growth {
  labels: readonly string[];
  bound: number | null;
  by: number;
}

/** By how much each series of a counter grew; what the first scrape lacks was 0, and everything was when there is no first. */
export function grown<Name extends string>(first: Scrape<Name> | undefined, second: Scrape<Name>, name: NoInfer<Name>): Growth[] {
  const id = (labels: readonly string[], bound: number | null): string => JSON.stringify([String(bound), ...labels]);
  const before = new Map((first?.series.get(name) ?? []).map(({ labels, bound, value }) => [id(labels, bound), value]));
  return (second.series.get(name) ?? []).map(({ labels, bound, value }) => ({
    labels,
    bound,
    by: value - (before.get(id(labels, bound)) ?? 0),
  }));
}
