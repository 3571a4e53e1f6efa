import { done, type Effect } from '../../ports/effect.ts';
import type { Power, PowerState, PowerTarget } from '../../ports/power.ts';
import type { Remote } from '../../ports/remote.ts';
import type { Random } from '../../base/random.ts';
import type { Schedule } from '../schedule.ts';
import type { SimHealHost } from './host.ts';
import type { SimLine } from './line.ts';

export interface PowerTools {
  schedule: Schedule;
  random: Random;
  line: SimLine;
  hostOf: (name: string) => SimHealHost;
  /** Whether the host's management controller answers this controller. */
  answers: (host: SimHealHost) => boolean;
  /** Sent by the controller, and carried out. */
  asked: (what: 'power-off' | 'power-on' | 'reboot', host: SimHealHost) => void;
  stops: (what: 'power-off' | 'reboot', host: SimHealHost) => void;
}

const CALL_MS = 20_000;
/** Orders that a management controller refuses for no reason. */
const REFUSED = 0.05;

/** Management controllers: they may be slow, refuse or not answer; what they say is true. */
export class SimPower implements Power {
  readonly name = 'simulated BMC';
  readonly #tools: PowerTools;

  constructor(tools: PowerTools) {
    this.#tools = tools;
  }

  async state({ node }: PowerTarget): Promise<PowerState> {
    const host = this.#tools.hostOf(node);
    const answer = await this.#ask(host, () => host.power);
    return answer.ok ? { kind: answer.value } : { kind: 'unknown', reason: answer.reason };
  }

  async off({ node }: PowerTarget): Promise<Effect> {
    const { schedule, random, asked, stops, hostOf } = this.#tools;
    const host = hostOf(node);
    asked('power-off', host);
    const answer = await this.#ask(host, () => {
      if (random.chance(REFUSED)) return 'busy';
      host.latchedOff = true;
      if (host.power === 'off') return undefined;
      schedule.plan(schedule.now + random.between(500, 8000), () => {
        stops('power-off', host);
        host.cutPower();
      });
      return undefined;
    });
    return effectOf(answer);
  }

  async on({ node }: PowerTarget): Promise<Effect> {
    const { random, asked, hostOf } = this.#tools;
    const host = hostOf(node);
    asked('power-on', host);
    const answer = await this.#ask(host, () => {
      if (random.chance(REFUSED)) return 'busy';
      if (host.power === 'off') host.boot();
      return undefined;
    });
    return effectOf(answer);
  }

  #ask<T>(host: SimHealHost, act: () => T) {
    const { line, answers } = this.#tools;
    return line
      .call(() => (answers(host) ? { value: act() } : undefined), CALL_MS)
      .then((answer) => {
        if (!answer.ok) return answer;
        return answer.value === undefined
          ? { ok: false as const, reason: 'the controller does not answer' }
          : { ok: true as const, value: answer.value.value };
      });
  }
}

/** Programs on the host itself. */
export class SimRemote implements Remote {
  readonly #tools: PowerTools;

  constructor(tools: PowerTools) {
    this.#tools = tools;
  }

  async reboot({ node }: { node: string }): Promise<Effect> {
    const { schedule, random, line, hostOf, asked, stops } = this.#tools;
    const host = hostOf(node);
    asked('reboot', host);
    const answer = await line.call(() => {
      if (!host.up || host.cuts > 0) return 'no route to host';
      schedule.plan(schedule.now + random.between(1000, 5000), () => {
        if (!host.up) return;
        stops('reboot', host);
        host.reboot();
      });
      return undefined;
    }, CALL_MS);
    return effectOf(answer);
  }

  async replace(): Promise<Effect> {
    return { ok: false, reason: 'not simulated' };
  }
}

function effectOf(answer: { ok: true; value: string | undefined } | { ok: false; reason: string }): Effect {
  if (!answer.ok) return answer;
  return answer.value === undefined ? done : { ok: false, reason: answer.value };
}
