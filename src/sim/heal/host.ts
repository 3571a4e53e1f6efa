import type { Random } from '../../base/random.ts';
import type { NodeFacts, PodFacts } from '../../core/heal/facts.ts';
import { podKey } from '../../core/heal/facts.ts';
import type { Schedule } from '../schedule.ts';
import type { ApiStore } from './store.ts';

export interface HostTools {
  schedule: Schedule;
  random: Random;
  store: ApiStore;
  /** Whether the API answers at all. */
  apiAnswers: () => boolean;
  /** A container of this Pod begins to run here. */
  onContainer: (host: SimHealHost, pod: PodFacts) => void;
  /** The host comes up, or goes down. */
  onPower: (host: SimHealHost) => void;
}

const RENEW_MS = 10_000;

/** A host with its kubelet: what is true, whatever the API says of it. */
export class SimHealHost {
  readonly name: string;
  readonly zone: string;
  readonly isControlPlane: boolean;
  power: 'on' | 'off' = 'on';
  /** Its kernel runs. */
  up = true;
  kubelet = true;
  /** How many faults keep it from the API. */
  cuts = 0;
  broken = false;
  /** Somebody ordered it to be off: it stays that when the power comes back. */
  latchedOff = false;
  readonly conditions = new Set<string>();
  boots = 1;
  /** Pods whose containers run here, by uid. */
  readonly containers = new Map<string, PodFacts>();
  readonly #tools: HostTools;
  #plannedBoot = 0;

  constructor(name: string, place: { zone: string; isControlPlane: boolean }, tools: HostTools) {
    this.name = name;
    this.zone = place.zone;
    this.isControlPlane = place.isControlPlane;
    this.#tools = tools;
    const { schedule, random } = tools;
    schedule.plan(random.between(0, RENEW_MS), () => this.#loop());
  }

  get bootId(): string {
    return `${this.name}-boot-${this.boots}`;
  }

  /** Whether its kubelet reaches the API now. */
  get speaks(): boolean {
    return this.up && this.kubelet && this.cuts === 0 && this.#tools.apiAnswers();
  }

  /** All that ran is gone at once. */
  down(): void {
    if (!this.up) return;
    this.up = false;
    this.#plannedBoot++;
    this.containers.clear();
    this.#tools.onPower(this);
  }

  cutPower(): void {
    this.power = 'off';
    this.down();
  }

  /** Power and kernel; what was wrong with the software is over. */
  boot(): void {
    const { schedule, random } = this.#tools;
    Object.assign(this, { power: 'on', latchedOff: false });
    if (this.up || this.broken) return;
    const boot = ++this.#plannedBoot;
    schedule.plan(schedule.now + random.between(40_000, 120_000), () => {
      if (boot !== this.#plannedBoot || this.power === 'off' || this.up || this.broken) return;
      Object.assign(this, { up: true, kubelet: true, boots: this.boots + 1 });
      this.conditions.clear();
      this.#tools.onPower(this);
    });
  }

  /** Its own system goes down and comes back. */
  reboot(): void {
    this.down();
    if (this.power === 'on') this.boot();
  }

  /** The kubelet hears of a Pod: binds, ends, or is gone. */
  hears(pod: PodFacts): void {
    const { schedule, random } = this.#tools;
    schedule.plan(schedule.now + random.between(100, 1500), () => this.#sync(podKey(pod), pod.uid));
  }

  /** Node status and Lease, and what it may have missed. */
  #loop(): void {
    const { schedule, random, store } = this.#tools;
    // kubelet: wait.JitterUntil with 0.04.
    schedule.plan(schedule.now + RENEW_MS * random.between(1, 1.04), () => this.#loop());
    if (!this.speaks) return;
    store.renew({ node: this.name, renewedAtMs: schedule.now });
    this.#postStatus();
    for (const { key, uid } of this.#known()) this.#sync(key, uid);
  }

  /** Pods bound to it, and containers of Pods that may be gone. */
  #known(): { key: string; uid: string }[] {
    const bound = this.#tools.store.onNode(this.name).map((pod) => ({ key: podKey(pod), uid: pod.uid }));
    const uids = new Set(bound.map(({ uid }) => uid));
    return [
      ...bound,
      ...[...this.containers.values()].filter(({ uid }) => !uids.has(uid)).map((pod) => ({ key: podKey(pod), uid: pod.uid })),
    ];
  }

  #postStatus(): void {
    const { store, schedule } = this.#tools;
    const node = store.nodes.get(this.name);
    if (node === undefined) return;
    const types = [...this.conditions].map((type) => `${type}=True`);
    const wanted = ['Ready=True', ...types].join();
    const said = node.conditions.filter(({ status }) => status === 'True').map(({ type }) => `${type}=True`);
    if (said.join() === wanted && node.bootId === this.bootId) return;
    const conditions: NodeFacts['conditions'] = ['Ready', ...this.conditions].map((type) => ({
      type,
      status: 'True',
      reason: '',
      message: '',
      changedAtMs: schedule.now,
    }));
    store.putNode({ ...node, conditions, bootId: this.bootId });
  }

  #sync(key: string, uid: string): void {
    const { store, schedule, random } = this.#tools;
    if (!this.speaks) return;
    const pod = store.pods.get(key);
    const isMine = pod !== undefined && pod.uid === uid && pod.node === this.name;
    if (!isMine) this.containers.delete(uid);
    else if (pod.deletionAtMs !== null) {
      if (!this.containers.has(uid)) return store.removePod(pod);
      const left = Math.max(0, pod.deletionAtMs - schedule.now);
      schedule.plan(schedule.now + random.between(200, Math.max(201, left)), () => this.#end(key, uid));
    } else if (!this.containers.has(uid)) this.#start(pod);
    else if (!pod.isReady || pod.phase !== 'Running') store.putPod({ ...pod, phase: 'Running', isReady: true });
  }

  #start(pod: PodFacts): void {
    const { schedule, random, onContainer } = this.#tools;
    this.containers.set(pod.uid, pod);
    onContainer(this, pod);
    schedule.plan(schedule.now + random.between(2000, 15_000), () => this.#sync(podKey(pod), pod.uid));
  }

  #end(key: string, uid: string): void {
    if (!this.up) return;
    this.containers.delete(uid);
    const pod = this.#tools.store.pods.get(key);
    if (this.speaks && pod?.uid === uid) this.#tools.store.removePod(pod);
  }
}
