import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { hostPrefix } from '../../src/base/address.ts';
import { freeze } from '../support/freeze.ts';
import { netnsProblem } from '../support/netns.ts';
import { Advertising } from '../support/routers/advertising.ts';
import { bird } from '../support/routers/bird.ts';
import { frr } from '../support/routers/frr.ts';
import { fromGuide } from '../support/routers/guide.ts';
import { HostBird } from '../support/routers/host-bird.ts';
import { createRoutedLan, HOST_ASN, type RoutedLan, SHARED4, SHARED6 } from '../support/routers/routed-lan.ts';

const problem = netnsProblem() ?? frr.problem ?? bird.problem;
const WAIT = { timeout: 20_000, interval: 100 };
const ADDRESSES = [SHARED4, SHARED6];
const MEMBERS = ['10.77.0.1', '10.77.0.2'];
const ROUTE = { communities: [0xfde8_0064, 0xfde8_0065], localPreference: 120 };

describe.skipIf(problem).each([
  // The preference stays in the autonomous system; the metric would decide between hosts of the same one.
  { name: `${frr.title}, another autonomous system`, kind: frr, routerAsn: 65_001, attributes: ROUTE, sent: {}, used: MEMBERS },
  {
    name: `${bird.title}, the same autonomous system`,
    kind: bird,
    routerAsn: HOST_ASN,
    attributes: { ...ROUTE, med: 7 },
    sent: { med: 7, localPreference: 120 },
    used: ['10.77.0.1'],
  },
])(
  `a route through BIRD of this host, to $name${problem ? `: skipped, ${problem}` : ''}`,
  ({ kind, routerAsn, attributes, sent, used }) => {
    let lan: RoutedLan;
    let host: HostBird;
    const running: Advertising[] = [];

    const own = async () =>
      (await lan.router.routes()).filter(({ nextHop }) => [lan.host.address4, lan.host.address6].includes(nextHop.split(' ')[0] as string));
    const gone = () => vi.waitFor(async () => expect(await own()).toEqual([]), WAIT);
    const arrived = (some: object) =>
      vi.waitFor(
        async () =>
          expect(await own(), (await running.at(-1)?.problem()) ?? '').toMatchObject([
            { prefix: `${SHARED4}/32`, ...some },
            { prefix: `${SHARED6}/128`, ...some },
          ]),
        WAIT,
      );
    const protocols = async () => (await host.birdc('show', 'protocols')).match(/^hale_\w+ +Direct +--- +\w+/gm) ?? [];
    const onLo = () => ADDRESSES.map((address) => lan.host.run('ip', 'address', 'show', 'dev', 'lo', 'to', address)).join('');
    const putOnLo = () => {
      for (const address of ADDRESSES) lan.host.run('ip', 'address', 'replace', address, 'dev', 'lo');
    };
    const open = () => {
      const options = { addresses: ADDRESSES, attributes, file: host.included, controlSocket: host.socket };
      const advertising = new Advertising(lan.host, { kind: 'bird', options });
      running.push(advertising);
      return advertising;
    };
    const clear = (advertising: Advertising) => vi.waitFor(async () => expect(await advertising.problem()).toBeNull(), WAIT);
    const announced = async () => {
      putOnLo();
      const advertising = open();
      await advertising.want('announced');
      await arrived({});
      await clear(advertising);
      return advertising;
    };

    beforeAll(async () => {
      lan = await createRoutedLan({ kind, other: bird, routerAsn });
    });
    beforeEach(async () => {
      host = new HostBird(lan.host, (pattern) => userConfig(lan, { routerAsn, lines: `include "${pattern}";` }));
      await host.start();
    });
    afterEach(async () => {
      for (const advertising of running.splice(0)) await advertising.kill();
      for (const address of ADDRESSES) if (onLo().includes(address)) lan.host.run('ip', 'address', 'del', hostPrefix(address), 'dev', 'lo');
      await host.daemon.remove();
    });
    afterAll(() => lan?.remove());

    test('announced with its attributes, RFC 8326 on draining, withdrawn, and BIRD as it was after close', async () => {
      const advertising = await announced();
      const communities = ['65000:100', '65000:101'];
      await arrived({ communities, ...sent });
      await vi.waitFor(() => expect(lan.nextHops(SHARED4)).toEqual(used), WAIT);

      await advertising.want('draining');
      await arrived({ communities: [...communities, '65535:0'] });
      await vi.waitFor(() => expect(lan.nextHops(SHARED4)).toEqual(['10.77.0.2']), WAIT);
      await clear(advertising);

      await advertising.want('withdrawn');
      await gone();
      await clear(advertising);
      expect(await protocols()).toEqual(['hale_announced Direct     ---        down', 'hale_draining Direct     ---        down']);
      await advertising.want('announced');
      await arrived({ communities });
      expect(await advertising.close()).toBeNull();
      await gone();
      expect(await protocols()).toEqual([]);
      expect(existsSync(host.included)).toBe(false);
      expect(await host.birdc('configure', 'check')).toMatch(/Configuration OK/);
      expect(onLo()).toMatch(/10\.9\.0\.1.*\n.*valid_lft forever/);
    });

    test('renewing the lifetime tells routers nothing', async () => {
      const advertising = await announced();
      const since = () => host.birdc('show', 'route', `${SHARED4}/32`);
      const before = await since();
      expect(onLo()).not.toMatch(/forever/);
      await new Promise((resolve) => setTimeout(resolve, 3500));
      expect(await since()).toBe(before);
      await arrived({});
      await clear(advertising);
    });

    test.each(['killed', 'frozen'])('hale is %s: the route goes by itself, and its successor clears what it left', async (how) => {
      const advertising = await announced();
      if (how === 'killed') await advertising.kill();
      else freeze(advertising.process.pid as number);
      await gone();
      expect(onLo()).toBe('');
      expect(await protocols()).toContain('hale_announced Direct     ---        up');
      await advertising.kill();

      const successor = open();
      await clear(successor);
      expect(await protocols()).not.toContainEqual(expect.stringMatching(/up$/));
      putOnLo();
      await successor.want('announced');
      await arrived({});
    });

    test('BIRD is restarted: said while it is away, and announced from its start', async () => {
      const advertising = await announced();
      await advertising.want('draining');
      await arrived({ communities: ['65000:100', '65000:101', '65535:0'] });
      await host.daemon.kill();
      await vi.waitFor(
        async () => expect(await advertising.problem()).toMatch(/^BIRD cannot be asked by birdc -s .*: see that BIRD 2 runs$/),
        WAIT,
      );
      await gone();
      await host.start();
      await arrived({ communities: ['65000:100', '65000:101', '65535:0'] });
      await clear(advertising);
    });

    test('`birdc configure` of somebody else changes nothing', async () => {
      const advertising = await announced();
      await advertising.want('draining');
      await clear(advertising);
      const before = await host.birdc('show', 'route', `${SHARED4}/32`);
      await host.birdc('configure');
      expect(await host.birdc('show', 'route', `${SHARED4}/32`)).toBe(before);
      expect(await protocols()).toEqual(['hale_announced Direct     ---        down', 'hale_draining Direct     ---        up']);
    });

    test('bird.conf that is broken by now: hale drains and withdraws all the same, and loads nothing of it', async () => {
      const advertising = await announced();
      const file = host.daemon.file('bird.conf');
      writeFileSync(file, `${readFileSync(file, 'utf8')}\nthis is half an`);
      await advertising.want('draining');
      await arrived({ communities: ['65000:100', '65000:101', '65535:0'] });
      expect(await advertising.close()).toMatch(
        /^BIRD refuses its configuration: .*bird\.conf:\d+:\d+ syntax error.*: mend it, and see `birdc configure check`$/,
      );
      await gone();
    });
  },
);

describe.skipIf(problem)('what stands in the way of a route through BIRD of this host', () => {
  let lan: RoutedLan;
  let host: HostBird | undefined;
  let advertising: Advertising | undefined;
  const routes = async () => (await lan.router.routes()).filter(({ nextHop }) => nextHop === lan.host.address4);
  const begin = async (config: (pattern: string) => string) => {
    host = new HostBird(lan.host, config);
    await host.start();
    lan.host.run('ip', 'address', 'replace', SHARED4, 'dev', 'lo');
    const attributes = { communities: [], localPreference: 100 };
    const options = { addresses: [SHARED4], attributes, file: host.included, controlSocket: host.socket };
    advertising = new Advertising(lan.host, { kind: 'bird', options });
    await advertising.want('announced');
  };
  const problemIs = (words: RegExp) =>
    vi.waitFor(async () => expect(await advertising?.problem()).toEqual(expect.stringMatching(words)), WAIT);
  const rewrite = async (change: (config: string) => string) => {
    const file = host?.daemon.file('bird.conf') as string;
    writeFileSync(file, change(readFileSync(file, 'utf8')));
    await host?.birdc('configure');
  };

  beforeAll(async () => {
    lan = await createRoutedLan({ kind: frr, other: bird, routerAsn: 65_001 });
  });
  afterEach(async () => {
    await advertising?.kill();
    await host?.daemon.remove();
  });
  afterAll(() => lan?.remove());

  test("nothing, with the guide's configuration", async () => {
    const guide = fromGuide('bird', { shared: SHARED4, router: lan.gateway.address4, host: lan.host.address4 });
    await begin((pattern) => guide.replace('/run/hale*/bird.conf', pattern));
    await vi.waitFor(async () => expect(await routes()).toHaveLength(1), WAIT);
    await vi.waitFor(async () => expect(await advertising?.problem()).toBeNull(), WAIT);
  });

  test('no include: said with the line to write, and announced as soon as it is there', async () => {
    await begin(() => userConfig(lan, { routerAsn: 65_001 }));
    await problemIs(
      /^BIRD: its configuration does not include .*bird\.conf: write `include ".*hale\*\/bird\.conf";` into bird\.conf, and run `birdc configure`$/,
    );
    await rewrite((config) => `${config}\ninclude "${host?.daemon.file('hale*/bird.conf')}";\n`);
    await vi.waitFor(async () => expect(await routes()).toHaveLength(1), WAIT);
    await vi.waitFor(async () => expect(await advertising?.problem()).toBeNull(), WAIT);
  });

  test('a configuration that BIRD refuses: its words, and the line', async () => {
    await begin((pattern) => userConfig(lan, { routerAsn: 65_001, lines: `include "${pattern}";` }));
    await vi.waitFor(async () => expect(await routes()).toHaveLength(1), WAIT);
    await advertising?.kill();
    const file = host?.daemon.file('bird.conf') as string;
    writeFileSync(file, `${readFileSync(file, 'utf8')}\nnonsense;\n`);
    const options = { addresses: [SHARED4], attributes: { communities: [], localPreference: 1 }, file: host?.included as string };
    advertising = new Advertising(lan.host, { kind: 'bird', options: { ...options, controlSocket: host?.socket as string } });
    await advertising.want('announced');
    await problemIs(/BIRD refuses its configuration: .*bird\.conf:\d+:\d+ syntax error/);
  });

  test('an export filter that takes nothing of hale: said', async () => {
    await begin((pattern) =>
      userConfig(lan, { routerAsn: 65_001, lines: `include "${pattern}";` }).replaceAll('export where proto ~ "hale_*"', 'export none'),
    );
    await problemIs(/^BIRD exports 10\.9\.0\.1\/32 to no BGP neighbour: see .*, and that the export filters accept `proto ~ "hale_\*"`$/);
    await rewrite((config) => config.replaceAll('export none', 'export where proto ~ "hale_*"'));
    await vi.waitFor(async () => expect(await advertising?.problem()).toBeNull(), WAIT);
  });

  test('an export filter that takes the address of every protocol: said while it is withdrawn', async () => {
    await begin((pattern) =>
      userConfig(lan, { routerAsn: 65_001, lines: `include "${pattern}";` }).replaceAll('export where proto ~ "hale_*"', 'export all'),
    );
    await vi.waitFor(async () => expect(await advertising?.problem()).toBeNull(), WAIT);
    await advertising?.want('withdrawn');
    await problemIs(
      /^BIRD exports 10\.9\.0\.1\/32 to to-ipv4 by a protocol that is not hale's, which announces it always: accept only `proto ~ "hale_\*"` for it$/,
    );
  });

  test('no protocol device: BIRD does not know the address', async () => {
    await begin((pattern) => userConfig(lan, { routerAsn: 65_001, lines: `include "${pattern}";` }).replace('protocol device {}', ''));
    await problemIs(
      /^BIRD has no route 10\.9\.0\.1\/32 of hale_announced: see that the address is on lo, and that bird\.conf has `protocol device \{\}`$/,
    );
  });
});

function userConfig({ gateway }: RoutedLan, { routerAsn, lines = '' }: { routerAsn: number; lines?: string }): string {
  const session = (address: string, channel: string) => `
protocol bgp 'to-${channel}' {
  local as ${HOST_ASN};
  neighbor ${address} as ${routerAsn};
  connect delay time 1;
  connect retry time 1;
  error wait time 1, 2;
  ${channel} { import all; export where proto ~ "hale_*"; };
}`;
  return `log stderr all;
router id 10.77.0.1;
${lines}
protocol device {}
protocol direct { ipv4; ipv6; }
protocol kernel { ipv4 { export all; }; }
protocol kernel { ipv6 { export all; }; }
${session(gateway.address4, 'ipv4')}
${session(gateway.address6, 'ipv6')}
`;
}
