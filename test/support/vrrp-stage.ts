/** A host of hale and one of keepalived on one switch, and a third that asks whose the address is. */
import { execFileSync } from 'node:child_process';
import { expect, vi } from 'vitest';
import type { Family } from '../../src/base/address.ts';
import { createTestLan, type TestHost, type TestLan } from './netns.ts';
import { HaleRouter, hasAddress, Keepalived } from './vrrp-peers.ts';
import type { RouterSettings } from './vrrp-router.ts';

const SOON = { timeout: 15_000, interval: 20 };
const VRID = 7;
export const shared: Record<Family, string> = { IPv4: '10.77.0.100', IPv6: 'fd77::100' };

/** How the two speak with each other. */
export interface Manner {
  version: 2 | 3;
  family: Family;
  unicast?: boolean;
  password?: string;
}

export type Holder = 'hale' | 'keepalived';

const linkLocal = (host: TestHost) => `fe80::${host.address6.split('::')[1]}`;
const intervalMs = ({ version }: Manner) => (version === 2 ? 1000 : 200);

export function sourceOf(host: TestHost, { family, unicast }: Manner): string {
  if (family === 'IPv4') return host.address4;
  return unicast ? host.address6 : linkLocal(host);
}

export class VrrpStage {
  readonly us: TestHost;
  readonly them: TestHost;
  readonly station: TestHost;
  readonly peer: Keepalived;
  readonly routers: HaleRouter[] = [];
  readonly #net: TestLan;

  constructor() {
    this.#net = createTestLan(['hale', 'peer', 'station']);
    [this.us, this.them, this.station] = this.#net.hosts as [TestHost, TestHost, TestHost];
    // Link-local addresses that are there at once.
    for (const host of this.#net.hosts) {
      const ip = (...parameters: string[]) => execFileSync('ip', ['-n', host.namespace, ...parameters]);
      ip('address', 'flush', 'dev', 'eth0', 'scope', 'link');
      ip('address', 'add', `${linkLocal(host)}/64`, 'dev', 'eth0', 'nodad');
    }
    this.peer = new Keepalived(this.them);
  }

  startHale(manner: Manner, priority: number, settings: Partial<RouterSettings['config']> = {}): HaleRouter {
    const { version, family, unicast, password } = manner;
    return this.start({
      config: routerConfig({ version, advertiseIntervalMs: intervalMs(manner), ...settings }),
      priority,
      ...(password !== undefined && { password }),
      links: [
        {
          family,
          source: sourceOf(this.us, manner),
          addresses: [shared[family]],
          ...(unicast && { peers: [sourceOf(this.them, manner)] }),
        },
      ],
    });
  }

  start(settings: RouterSettings): HaleRouter {
    const router = new HaleRouter(this.us, settings);
    this.routers.push(router);
    return router;
  }

  /** `lines` are more of keepalived's own; the last of a keyword counts. */
  startPeer(manner: Manner, priority: number, lines = ''): void {
    this.peer.start(this.instance('A', manner, `priority ${priority}\n  ${lines}`));
  }

  instance(name: string, manner: Manner, lines: string): string {
    const { version, family, unicast, password } = manner;
    const [theirs, ours] = [sourceOf(this.them, manner), sourceOf(this.us, manner)];
    const delivery = unicast ? `unicast_src_ip ${theirs}\n  unicast_peer {\n    ${ours}\n  }` : '';
    const auth = password === undefined ? '' : `authentication {\n    auth_type PASS\n    auth_pass ${password}\n  }`;
    return `vrrp_instance ${name} {
  state BACKUP
  version ${version}
  interface eth0
  virtual_router_id ${VRID}
  advert_int ${intervalMs(manner) / 1000}
  virtual_ipaddress {
    ${shared[family]}
  }
  ${delivery}
  ${auth}
  ${lines}
}
`;
  }

  holders(family: Family): Holder[] {
    const has = (host: TestHost) => hasAddress(host, shared[family]);
    return [...(has(this.us) ? (['hale'] as const) : []), ...(has(this.them) ? (['keepalived'] as const) : [])];
  }

  untilHeldBy(holder: Holder, family: Family = 'IPv4'): Promise<void> {
    return this.until(() => expect(this.holders(family)).toEqual([holder]));
  }

  untilState(router: HaleRouter, state: string): Promise<void> {
    return this.until(() => expect(router.state).toBe(state));
  }

  until(check: () => void): Promise<void> {
    return vi.waitFor(check, SOON);
  }

  async close(): Promise<void> {
    for (const router of this.routers) await router.kill();
    await this.peer.close();
    this.#net.remove();
  }
}

export function routerConfig(settings: Partial<RouterSettings['config']>): RouterSettings['config'] {
  return {
    version: 3,
    virtualRouterId: VRID,
    advertiseIntervalMs: 200,
    preempt: true,
    preemptDelayMs: 0,
    startupDelayMs: 0,
    unfitBelow: 0,
    checksumForm: 'with-pseudo-header',
    ...settings,
  };
}
