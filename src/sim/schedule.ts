/** The simulation's true time and everything that will happen in it, ordered by time, then by when it was planned. */
export class Planned {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
  cancelled = false;

  constructor(at: number, order: number, run: () => void) {
    this.at = at;
    this.order = order;
    this.run = run;
  }

  cancel(): void {
    this.cancelled = true;
  }
}

export class Schedule {
  now = 0;
  /** A binary heap. */
  readonly #heap: Planned[] = [];
  #order = 0;

  plan(at: number, run: () => void): Planned {
    const entry = new Planned(at < this.now ? this.now : at, this.#order++, run);
    this.#heap.push(entry);
    this.#up(this.#heap.length - 1);
    return entry;
  }

  /** When the next thing happens, or would if it had not been cancelled; Infinity when nothing will. */
  get nextAt(): number {
    return this.#heap[0]?.at ?? Number.POSITIVE_INFINITY;
  }

  /** Runs what is planned up to and including `until`. */
  runUntil(until: number): void {
    for (let first = this.#heap[0]; first !== undefined && first.at <= until; first = this.#heap[0]) {
      this.#pop();
      if (first.cancelled) continue;
      this.now = first.at;
      first.run();
    }
    this.now = until;
  }

  #up(start: number): void {
    const heap = this.#heap;
    const moved = heap[start] as Planned;
    let child = start;
    while (child > 0) {
      const parent = (child - 1) >> 1;
      const above = heap[parent] as Planned;
      if (!before(moved, above)) break;
      heap[child] = above;
      child = parent;
    }
    heap[child] = moved;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop() as Planned;
    const length = heap.length;
    if (length === 0) return;
    let parent = 0;
    for (;;) {
      let least = 2 * parent + 1;
      if (least >= length) break;
      if (least + 1 < length && before(heap[least + 1] as Planned, heap[least] as Planned)) least++;
      if (!before(heap[least] as Planned, last)) break;
      heap[parent] = heap[least] as Planned;
      parent = least;
    }
    heap[parent] = last;
  }
}

function before(a: Planned, b: Planned): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
