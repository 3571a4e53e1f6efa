import { HaleError } from '../../base/error.ts';
import { printable } from '../../base/printable.ts';
import { fillPlaceholders } from '../../core/heal/placeholders.ts';
import { done, type Effect } from '../../ports/effect.ts';
import type { Power, PowerState, PowerTarget } from '../../ports/power.ts';

/** What one kind of power controllers does. Both throw when it cannot be done; a PowerProblem says why. */
export interface PowerController {
  readonly name: string;
  /** `off` only where the controller of this very host says so. */
  read(host: PowerTarget, deadline: AbortSignal): Promise<KnownState>;
  order(host: PowerTarget, wanted: 'on' | 'off', deadline: AbortSignal): Promise<void>;
}

export type KnownState = Exclude<PowerState, { kind: 'unknown' }>;

/** Why something cannot be known or done; its message is the reason. */
export class PowerProblem extends Error {}

/** A setting with this host in it. */
export function filled(template: string, host: PowerTarget): string {
  const result = fillPlaceholders(template, host);
  if (!result.ok) throw new PowerProblem(result.reason);
  return result.text;
}

/** Everything that goes wrong is a value, and every call settles within `timeoutMs`, whatever the controller does. */
export function powerOf(controller: PowerController, timeoutMs: number): Power {
  const within = <T>(work: (deadline: AbortSignal) => Promise<T>) => withinDeadline(work, timeoutMs);
  const state = (host: PowerTarget, deadline: AbortSignal): Promise<PowerState> => controller.read(host, deadline).catch(unknown);
  const order = (host: PowerTarget, wanted: 'on' | 'off') => {
    const work = async (deadline: AbortSignal): Promise<Effect> => {
      try {
        await controller.order(host, wanted, deadline);
        return done;
      } catch (error) {
        // Some refuse what is so already (IPMI completion code D5h, HTTP 409). It is ordered all the same: an order to the contrary may be under way.
        if (!deadline.aborted && (await state(host, deadline)).kind === wanted) return done;
        return { ok: false, reason: reasonOf(error) };
      }
    };
    return within(work).catch((error: unknown): Effect => ({ ok: false, reason: reasonOf(error) }));
  };
  return {
    name: controller.name,
    state: (host) => within((deadline) => state(host, deadline)).catch(unknown),
    off: (host) => order(host, 'off'),
    on: (host) => order(host, 'on'),
  };
}

const unknown = (error: unknown): PowerState => ({ kind: 'unknown', reason: reasonOf(error) });

function withinDeadline<T>(work: (deadline: AbortSignal) => Promise<T>, timeoutMs: number): Promise<T> {
  const controller = new AbortController();
  return new Promise<T>((resolve, reject) => {
    const timer = setTimeout(() => {
      // First, so that whatever the end of the work says comes too late.
      reject(new PowerProblem(`no answer within ${timeoutMs / 1000} s`));
      controller.abort();
    }, timeoutMs);
    work(controller.signal)
      .then(resolve, reject)
      .finally(() => clearTimeout(timer));
  });
}

function reasonOf(error: unknown): string {
  if (error instanceof HaleError) return printable(error.remedy === undefined ? error.message : `${error.message}: ${error.remedy}`);
  return printable((error as Error).message);
}
