/** BIRD on the host that hale runs on, with what the user configured. */
import { vi } from 'vitest';
import type { TestHost } from '../netns.ts';
import { Daemon } from './daemon.ts';

export class HostBird {
  readonly daemon: Daemon;
  readonly socket: string;
  /** What hale writes. */
  readonly included: string;

  constructor(host: TestHost, config: (pattern: string) => string) {
    this.daemon = new Daemon(host, 'host-bird');
    this.socket = this.daemon.file('ctl');
    this.included = this.daemon.file('hale/bird.conf');
    this.daemon.write('bird.conf', config(this.daemon.file('hale*/bird.conf')));
  }

  async start(): Promise<void> {
    this.daemon.start('/usr/sbin/bird', '-f', '-c', this.daemon.file('bird.conf'), '-s', this.socket, '-P', this.daemon.file('pid'));
    const says = async () => {
      if (!(await this.birdc('show', 'status')).includes('Daemon is up')) throw new Error(`BIRD is not ready:\n${this.daemon.log}`);
    };
    await vi.waitFor(says, { timeout: 20_000, interval: 50 });
  }

  birdc(...words: string[]): Promise<string> {
    return this.daemon.ask('/usr/sbin/birdc', '-s', this.socket, ...words);
  }
}
