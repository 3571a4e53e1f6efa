/** The simulation's true time and everything that will happen in it, ordered by time, then by when it was planned. */
export interface Planned {
  cancelled: boolean;
}

interface Entry extends Planned {
  at: number;
  order: number;
  run: () => void;
}

export class Schedule {
  now = 0;
  readonly #heap: Entry[] = [];
  #order = 0;

  plan(at: number, run: () => void): Planned {
    const entry: Entry = { at: Math.max(at, this.now), order: this.#order++, run, cancelled: false };
    this.#heap.push(entry);
    this.#up(this.#heap.length - 1);
    return entry;
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

  #before(a: Entry, b: Entry): boolean {
    return a.at < b.at || (a.at === b.at && a.order < b.order);
  }

  #up(start: number): void {
    const heap = this.#heap;
    for (let child = start; child > 0; ) {
      const parent = (child - 1) >> 1;
      const a = heap[child] as Entry;
      const b = heap[parent] as Entry;
      if (!this.#before(a, b)) return;
      heap[child] = b;
      heap[parent] = a;
      child = parent;
    }
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop() as Entry;
    if (heap.length === 0) return;
    heap[0] = last;
    for (let parent = 0; ; ) {
      let least = parent;
      for (const child of [2 * parent + 1, 2 * parent + 2]) {
        if (child < heap.length && this.#before(heap[child] as Entry, heap[least] as Entry)) least = child;
      }
      if (least === parent) return;
      const moved = heap[parent] as Entry;
      heap[parent] = heap[least] as Entry;
      heap[least] = moved;
      parent = least;
    }
  }
}
