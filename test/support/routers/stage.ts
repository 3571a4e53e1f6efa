import { expect } from 'vitest';
import { createTestLan, type TestHost, type TestLan } from '../netns.ts';
import type { Router, RouterKind, RouterOptions } from './router.ts';
import { type Speaker, type SpeakerOptions, startSpeaker } from './speaker.ts';

/** Routers need some seconds for what they are asked. */
export function eventually<T>(look: () => T | Promise<T>, timeoutMs = 30_000): ReturnType<typeof expect.poll<T>> {
  return expect.poll(look, { timeout: timeoutMs, interval: 50 });
}

/** Hosts on one switch, the first of which are hale's; all that runs on them ends with `end`. */
export class Stage {
  readonly #lan: TestLan;
  readonly #ends: (() => void | Promise<void>)[] = [];

  constructor(...roles: string[]) {
    this.#lan = createTestLan(roles);
  }

  hostAt(number: number): TestHost {
    return this.#lan.hosts[number] as TestHost;
  }

  speaker(host: TestHost, options: SpeakerOptions): Speaker {
    const speaker = startSpeaker(host, options);
    this.atEnd(() => speaker.engine.stop({ message: 'end of test' }));
    return speaker;
  }

  async router(kind: RouterKind, { host, ...options }: RouterOptions & { host: TestHost }): Promise<Router> {
    const router = await kind.start(host, options);
    this.atEnd(() => router.daemon.remove());
    return router;
  }

  /** Before what is there already ends. */
  atEnd(end: () => void | Promise<void>): void {
    this.#ends.unshift(end);
  }

  async end(): Promise<void> {
    try {
      for (const end of this.#ends) await end();
    } finally {
      this.#lan.remove();
    }
  }
}
