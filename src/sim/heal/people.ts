import type { NodeFacts, Taint } from '../../core/heal/facts.ts';
import { workedOnBy } from '../../core/heal/foreign.ts';
import { remedyOf } from '../../core/heal/record.ts';
import type { HealMonitor } from './monitor.ts';
import type { Fault } from './scenario.ts';
import type { ApiStore } from './store.ts';

/** People and other controllers that work on nodes. */
export class People {
  readonly #store: ApiStore;
  readonly #monitor: HealMonitor;
  readonly #now: () => number;

  constructor({ store, monitor, now }: { store: ApiStore; monitor: HealMonitor; now: () => number }) {
    this.#store = store;
    this.#monitor = monitor;
    this.#now = now;
  }

  /** What ends the work; undefined when they leave the node alone, because somebody works on it already. */
  work(fault: Extract<Fault, { kind: 'person' | 'mark' }>): (() => void) | undefined {
    const node = this.#store.nodes.get(fault.host) as NodeFacts;
    if (workedOnBy(node) !== undefined || (fault.kind === 'person' && (node.unschedulable || remedyOf(node) !== undefined)))
      return undefined;
    const taint: Taint | undefined =
      fault.kind === 'mark' && fault.taint !== undefined ? { key: fault.taint, value: '', effect: 'NoSchedule' } : undefined;
    const mark = fault.kind === 'mark' ? fault.annotation : undefined;
    this.#change(fault.host, (now) => ({
      ...now,
      ...(fault.kind === 'person' ? { unschedulable: true } : {}),
      taints: taint === undefined ? now.taints : [...now.taints, taint],
      annotations: mark === undefined ? now.annotations : { ...now.annotations, [mark[0]]: mark[1] },
    }));
    this.#monitor.foreignSince.set(fault.host, this.#now());
    return () => {
      this.#monitor.foreignSince.delete(fault.host);
      this.#change(fault.host, (now) => ({
        ...now,
        ...(fault.kind === 'person' ? { unschedulable: false } : {}),
        taints: now.taints.filter(({ key }) => key !== taint?.key),
        annotations: Object.fromEntries(Object.entries(now.annotations).filter(([key]) => key !== mark?.[0])),
      }));
    };
  }

  #change(name: string, change: (node: NodeFacts) => NodeFacts): void {
    const node = this.#store.nodes.get(name);
    if (node !== undefined) this.#store.putNode(change(node));
  }
}
