import { type Flow, flowHash, flowKey, PAGES, pageOf } from './flow.ts';
import { type FlowsMessage, fitPage, leftOut } from './wire.ts';

export interface FlowDelta {
  added: readonly Flow[];
  removed: readonly Flow[];
}

type Page = ReadonlyMap<string, Flow>;
const NOTHING: Page = new Map();

/** Which flows end at which member, as far as each has told. */
export class FlowBook {
  readonly #members: Page[][];

  constructor(members: number) {
    this.#members = Array.from({ length: members }, () => Array.from({ length: PAGES }, () => NOTHING));
  }

  /** What `member` says of some of its pages replaces what was known of them. Undefined when that is nothing new. */
  replace(member: number, { first, last, flows }: Pick<FlowsMessage, 'first' | 'last' | 'flows'>): FlowDelta | undefined {
    const pages = this.#members[member];
    if (pages === undefined) return undefined;
    const fresh = new Map<number, Map<string, Flow>>();
    const added: Flow[] = [];
    for (const flow of flows) {
      const key = flowKey(flow);
      const index = pageOf(flowHash(key));
      const page = fresh.get(index) ?? new Map<string, Flow>();
      fresh.set(index, page.set(key, flow));
      if (!pages[index]?.has(key)) added.push(flow);
    }
    const removed: Flow[] = [];
    for (let index = first; index <= last; index++) {
      const page = fresh.get(index) ?? NOTHING;
      for (const [key, flow] of pages[index] as Page) if (!page.has(key)) removed.push(flow);
      pages[index] = page;
    }
    return added.length + removed.length > 0 ? { added, removed } : undefined;
  }

  flowsOf(member: number): Flow[] {
    return (this.#members[member] ?? []).flatMap((page) => [...page.values()]);
  }
}

/** This host's own flows as its kernel lists them, some hundred at a time; when all are added, what of them others have yet to hear. */
export class FlowListing {
  readonly #pages: Flow[][] = Array.from({ length: PAGES }, () => []);
  /** By page, once it was asked for. */
  readonly #told: (readonly Flow[])[] = [];
  readonly #digests = new Uint32Array(PAGES);

  add(flows: readonly Flow[]): void {
    for (const flow of flows) {
      const hash = flowHash(flowKey(flow));
      const page = pageOf(hash);
      (this.#pages[page] as Flow[]).push(flow);
      // In any order the same sum. One that is the same by chance is told with the next unchanged page in turn.
      this.#digests[page] = (this.#digests[page] as number) + Math.imul(hash ^ (hash >>> 15), 0x2c1b_3c6d);
    }
  }

  /** Pages that are not what they were in an earlier listing; without one, all. */
  changedSince(earlier: FlowListing | undefined): number[] {
    const all = Array.from(this.#pages.keys());
    if (earlier === undefined) return all;
    return all.filter(
      (page) => this.#digests[page] !== earlier.#digests[page] || this.#pages[page]?.length !== earlier.#pages[page]?.length,
    );
  }

  /** What of the page is told. */
  page(index: number): readonly Flow[] {
    const told = this.#told[index] ?? fitPage(this.#pages[index] ?? []);
    this.#told[index] = told;
    return told;
  }

  /** Flows for which there is no room. */
  get truncated(): number {
    return this.#pages.reduce((sum, flows) => sum + leftOut(flows), 0);
  }
}
