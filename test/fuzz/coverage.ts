/**
 * Which blocks of the source have run, by V8's precise block coverage over the inspector (Chrome DevTools Protocol, domain Profiler).
 * Only functions compiled after `startCoverage` have blocks, so what is to be watched is imported after it.
 */
import { type Profiler, Session } from 'node:inspector';

/** What ran since the take before: by function, one byte for each character of its text, 1 where it ran. */
export type Sight = ReadonlyMap<string, Uint8Array>;

export interface Coverage {
  /** What ran since the last take. Costs about a millisecond, whatever ran. */
  take(): Sight;
  stop(): void;
}

/** Watches the scripts whose URL holds one of `parts`. */
export function startCoverage(parts: readonly string[]): Coverage {
  const session = new Session();
  session.connect();
  session.post('Profiler.enable');
  session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  return {
    take() {
      const sight = new Map<string, Uint8Array>();
      for (const { url, functions } of takeCoverage(session)) {
        if (!parts.some((part) => url.includes(part))) continue;
        for (const { ranges } of functions) {
          const start = ranges[0]?.startOffset ?? 0;
          if (ranges.some(({ count }) => count > 0)) sight.set(`${url}:${start}`, flatten(ranges));
        }
      }
      return sight;
    },
    stop() {
      session.post('Profiler.stopPreciseCoverage');
      session.disconnect();
    },
  };
}

function takeCoverage(session: Session): Profiler.ScriptCoverage[] {
  let result: Profiler.ScriptCoverage[] = [];
  // The answer comes within the call: the session is in this thread.
  session.post('Profiler.takePreciseCoverage', (error, answer) => {
    if (error !== null) throw error;
    result = answer.result;
  });
  return result;
}

/** Ranges come outer before inner, and leave out an inner one that ran as often as the one around it. */
function flatten(ranges: readonly Profiler.CoverageRange[]): Uint8Array {
  const { startOffset: start, endOffset: end } = ranges[0] as Profiler.CoverageRange;
  const ran = new Uint8Array(end - start);
  for (const { startOffset, endOffset, count } of ranges) ran.fill(count > 0 ? 1 : 0, startOffset - start, endOffset - start);
  return ran;
}

/** All that ever ran. */
export class CoverageMap {
  readonly #known = new Map<string, Uint8Array>();
  /** How many stretches of source were new when they were added. */
  blocks = 0;

  /** Whether `sight` holds anything that never ran before. */
  isNew(sight: Sight): boolean {
    for (const [key, ran] of sight) {
      const known = this.#known.get(key);
      if (known === undefined || ran.some((one, i) => one > (known[i] as number))) return true;
    }
    return false;
  }

  add(sight: Sight): void {
    for (const [key, ran] of sight) {
      const known = this.#known.get(key) ?? new Uint8Array(ran.length);
      let inNew = false;
      for (let i = 0; i < ran.length; i++) {
        const isNew = ran[i] === 1 && known[i] === 0;
        if (isNew && !inNew) this.blocks++;
        if (isNew) known[i] = 1;
        inNew = isNew;
      }
      this.#known.set(key, known);
    }
  }
}
