/** FRR on the host that hale runs on: zebra and bgpd with the defaults of FRR and what the user configured. */
import { execFileSync } from 'node:child_process';
import { chmodSync } from 'node:fs';
import { vi } from 'vitest';
import type { TestHost } from '../netns.ts';
import { Daemon } from './daemon.ts';

export class HostFrr {
  readonly daemon: Daemon;
  readonly folder: string;

  constructor(host: TestHost, bgpdConfig: string) {
    this.daemon = new Daemon(host, 'host-frr');
    this.folder = this.daemon.folder;
    this.daemon.write('zebra.conf', '');
    this.daemon.write('bgpd.conf', bgpdConfig);
    chmodSync(this.folder, 0o755);
    execFileSync('chown', ['-R', 'frr:frr', this.folder]);
  }

  async start(): Promise<void> {
    const common = (name: string) => [
      '-f',
      this.daemon.file(`${name}.conf`),
      '-i',
      this.daemon.file(`${name}.pid`),
      '-z',
      this.daemon.file('zserv.api'),
    ];
    const sockets = ['--vty_socket', this.folder, '--log', 'stdout'];
    this.daemon.start('/usr/lib/frr/zebra', ...common('zebra'), ...sockets, '-P', '0');
    await this.#says('show interface brief', 'eth0');
    this.daemon.start('/usr/lib/frr/bgpd', ...common('bgpd'), ...sockets, '-P', '0');
    await this.#says('show bgp vrfs json', 'totalVrfs');
  }

  vtysh(...commands: string[]): Promise<string> {
    return this.daemon.ask('vtysh', '--vty_socket', this.folder, ...commands.flatMap((command) => ['-c', command]));
  }

  configure(...lines: string[]): Promise<string> {
    return this.vtysh('configure terminal', ...lines);
  }

  async #says(question: string, word: string): Promise<void> {
    const says = async () => {
      if (!(await this.vtysh(question)).includes(word)) throw new Error(`FRR is not ready:\n${this.daemon.log}`);
    };
    await vi.waitFor(says, { timeout: 20_000, interval: 50 });
  }
}
