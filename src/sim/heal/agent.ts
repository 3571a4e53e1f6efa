import type { Random } from '../../base/random.ts';
import { controlPlaneBrake, type EtcdLook } from '../../core/heal/brakes.ts';
import { isControlPlane } from '../../core/heal/facts.ts';
import type { ControllerConfig } from '../../core/heal/state.ts';
import { ElectionEngine } from '../../engine/election.ts';
import { HealController, type HealNews } from '../../engine/heal/controller.ts';
import type { Clock } from '../../ports/clock.ts';
import type { Lock } from '../../ports/lock.ts';
import type { SimulatedRecord } from '../election.ts';
import type { Schedule } from '../schedule.ts';
import { type ApiCall, type ApiEars, SimNodeApi } from './api.ts';
import type { SimEtcd } from './etcd.ts';
import type { SimHealHost } from './host.ts';
import { SimLine } from './line.ts';
import { SimPower, SimRemote } from './power.ts';
import type { ApiStore } from './store.ts';

export interface AgentTools {
  schedule: Schedule;
  random: Random;
  store: ApiStore;
  etcd: SimEtcd;
  record: SimulatedRecord;
  hostOf: (name: string) => SimHealHost;
  config: ControllerConfig;
  hasPower: boolean;
  apiAnswers: () => boolean;
  isApiSlow: () => boolean;
  /** Who has paused the controllers, on the Lease. */
  pausedBy: () => string | undefined;
  bmcAnswers: (host: SimHealHost) => boolean;
  onSettled: () => void;
  heard: AgentEars;
}

/** What the world hears of an agent. */
export interface AgentEars {
  asked(agent: SimHealAgent, call: ApiCall | HostCall): void;
  did: ApiEars['did'] extends (call: infer C, before: infer B) => void ? (agent: SimHealAgent, call: C, before: B) => void : never;
  stops(agent: SimHealAgent, what: 'power-off' | 'reboot', host: SimHealHost): void;
  onActive(agent: SimHealAgent, change: { active: boolean }): void;
  onNews(agent: SimHealAgent, news: HealNews): void;
}

export interface HostCall {
  kind: 'power-off' | 'power-on' | 'reboot';
  node: string;
}

const TIMING = { durationMs: 15_000, renewDeadlineMs: 10_000, retryMs: 2000 };
const LOCK_MS = 3000;
const ETCD_MS = 3000;
/** 2026-01-05, a Monday. */
const WALL_MS = 1_767_571_200_000;

/** One of the processes of which one heals: the production election and controller on simulated ports. */
export class SimHealAgent {
  readonly name: string;
  readonly #tools: AgentTools;
  readonly #rate: number;
  readonly #wallErrorMs: number;
  #run: { controller: HealController; election: ElectionEngine; api: SimNodeApi } | undefined;
  /** Counts the processes: what comes for an earlier one is nothing. */
  #process = 0;
  #frozenUntil = 0;
  #apartUntil = 0;
  /** Since when this process knows that it is paused, or that it is not. */
  paused: { by: string | undefined; at: number } = { by: undefined, at: 0 };

  constructor(name: string, tools: AgentTools) {
    this.name = name;
    this.#tools = tools;
    const { random } = tools;
    this.#rate = random.between(0.999, 1.001);
    this.#wallErrorMs = random.between(-500, 500);
  }

  get isActive(): boolean {
    return this.#run?.controller.isActive === true;
  }

  /** By its own clock. */
  get owns(): boolean {
    return this.#run?.election.owns === true;
  }

  start(): void {
    if (this.#run !== undefined || !this.#tools.hostOf(this.name).up) return;
    this.#process += 1;
    this.#frozenUntil = 0;
    const { schedule, config, heard } = this.#tools;
    const api = this.#nodeApi();
    const clock = this.#clock();
    const wallMs = () => WALL_MS + schedule.now + this.#wallErrorMs;
    const running: { election?: ElectionEngine } = {};
    const controller = new HealController({
      tools: { api, clock, ...this.#hostTools(api), offMs: 120_000, bmcOf: () => '', onProgress: () => undefined },
      config,
      clock,
      wallMs,
      lookAtEtcd: () => this.#etcdLook(),
      mayAct: () => running.election?.owns === true,
      onNews: (news) => heard.onNews(this, news),
    });
    const election = new ElectionEngine({
      identity: `${this.name}_${this.#process}`,
      timing: TIMING,
      seed: this.#process * 7919 + this.name.charCodeAt(this.name.length - 1),
      clock,
      lock: this.#lock(controller),
      wallTime: () => '1970-01-01T00:00:00.000000Z',
      onEvent: (event) => {
        if (event.kind === 'failed') return;
        controller.setActive(event.kind === 'became-owner');
        heard.onActive(this, { active: event.kind === 'became-owner' });
      },
    });
    running.election = election;
    this.#run = { controller, election, api };
    election.compete({ now: true });
  }

  /** The process ends in the middle of whatever it does; what it sent goes on. */
  kill(): void {
    this.#run?.api.close();
    this.#process += 1;
    this.#run = undefined;
  }

  /** Neither timers nor answers reach it for so long. */
  freeze(ms: number): void {
    this.#frozenUntil = Math.max(this.#frozenUntil, this.#tools.schedule.now + ms);
  }

  /** It reaches nothing for so long. */
  apart(ms: number): void {
    this.#apartUntil = Math.max(this.#apartUntil, this.#tools.schedule.now + ms);
    this.breakWatches(this.#tools.random.between(0, 15_000));
  }

  breakWatches(noticedMs: number): void {
    this.#run?.api.breakWatches(noticedMs);
  }

  #awake(process: number, run: () => void): void {
    const { schedule } = this.#tools;
    if (process !== this.#process) return;
    if (schedule.now < this.#frozenUntil) schedule.plan(this.#frozenUntil, () => this.#awake(process, run));
    else run();
  }

  #clock(): Clock {
    const { schedule, onSettled } = this.#tools;
    const rate = this.#rate;
    const process = this.#process;
    return {
      now: () => schedule.now * rate,
      // A trifle later than asked, lest rounding calls back too soon, again and again.
      at: (time, callback) =>
        schedule.plan(time / rate + 1e-6, () =>
          this.#awake(process, () => {
            callback();
            onSettled();
          }),
        ),
    };
  }

  #line(reaches: () => boolean): SimLine {
    const { schedule, random, isApiSlow, onSettled } = this.#tools;
    const process = this.#process;
    return new SimLine({
      schedule,
      random,
      awake: (run) => this.#awake(process, run),
      reaches: () => !this.#isApart && reaches(),
      isSlow: isApiSlow,
      onSettled,
    });
  }

  get #isApart(): boolean {
    return this.#tools.schedule.now < this.#apartUntil;
  }

  #nodeApi(): SimNodeApi {
    const { schedule, random, store, apiAnswers, onSettled, heard } = this.#tools;
    const process = this.#process;
    const ears: ApiEars = { asked: (call) => heard.asked(this, call), did: (call, before) => heard.did(this, call, before) };
    return new SimNodeApi({
      schedule,
      random,
      store,
      line: this.#line(apiAnswers),
      awake: (run) => this.#awake(process, run),
      onSettled,
      ears,
    });
  }

  #hostTools(api: SimNodeApi) {
    const { schedule, random, hostOf, hasPower, bmcAnswers, heard } = this.#tools;
    const tools = {
      schedule,
      random,
      hostOf,
      line: this.#line(() => true),
      answers: bmcAnswers,
      asked: (kind: HostCall['kind'], host: SimHealHost) => heard.asked(this, { kind, node: host.name }),
      stops: (what: 'power-off' | 'reboot', host: SimHealHost) => heard.stops(this, what, host),
    };
    const mayStop = async (node: Parameters<typeof isControlPlane>[0] & { name: string }) => {
      const nodes = isControlPlane(node) ? await api.nodes() : [];
      const self = nodes.find(({ name }) => name === node.name);
      return self === undefined ? undefined : controlPlaneBrake(self, { nodes, etcd: await this.#etcdLook() });
    };
    return { power: hasPower ? new SimPower(tools) : undefined, remote: new SimRemote(tools), mayStop };
  }

  async #etcdLook(): Promise<EtcdLook> {
    const { etcd } = this.#tools;
    const answer = await this.#line(() => true).call(() => etcd.view(), ETCD_MS);
    return answer.ok ? { kind: 'seen', view: answer.value, operation: undefined } : { kind: 'unknown', reason: answer.reason };
  }

  #lock(controller: HealController): Lock {
    const { record, apiAnswers, schedule, pausedBy } = this.#tools;
    const line = this.#line(apiAnswers);
    const paused = (by: string | undefined) => {
      if (by !== this.paused.by) this.paused = { by, at: schedule.now };
      controller.setPaused(by);
    };
    const call = async <T>(act: () => T) => {
      const answer = await line.call(() => ({ result: act(), by: pausedBy() }), LOCK_MS);
      if (!answer.ok) return { kind: 'failed' as const, reason: answer.reason };
      paused(answer.value.by);
      return answer.value.result;
    };
    return {
      name: 'simulated Lease',
      read: () => call(() => record.read()),
      write: (next, version) => call(() => record.write(next, version)),
      close: () => undefined,
    };
  }
}
