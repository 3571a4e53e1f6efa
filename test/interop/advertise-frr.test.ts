import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { Advertising } from '../support/routers/advertising.ts';
import { bird } from '../support/routers/bird.ts';
import { frr } from '../support/routers/frr.ts';
import { hostPrefix } from '../../src/base/address.ts';
import { freeze } from '../support/freeze.ts';
import { fromGuide } from '../support/routers/guide.ts';
import { HostFrr } from '../support/routers/host-frr.ts';
import { createRoutedLan, HOST_ASN, type RoutedLan, SHARED4, SHARED6 } from '../support/routers/routed-lan.ts';
import { netnsProblem } from '../support/netns.ts';

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
])(`a route through FRR of this host, to $name${problem ? `: skipped, ${problem}` : ''}`, ({ kind, routerAsn, attributes, sent, used }) => {
  let lan: RoutedLan;
  let host: HostFrr;
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
  const config = async () => (await host.vtysh('show running-config bgpd no-header')).replaceAll(/^(!|frr version.*)\n/gm, '');
  const onLo = () => ADDRESSES.map((address) => lan.host.run('ip', 'address', 'show', 'dev', 'lo', 'to', address)).join('');
  const putOnLo = () => {
    for (const address of ADDRESSES) lan.host.run('ip', 'address', 'replace', address, 'dev', 'lo');
  };
  const open = () => {
    const advertising = new Advertising(lan.host, {
      kind: 'frr',
      options: { addresses: ADDRESSES, attributes, socketFolder: host.folder },
    });
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
    host = new HostFrr(lan.host, userConfig(lan, routerAsn));
    await host.start();
  });
  afterEach(async () => {
    for (const advertising of running.splice(0)) await advertising.kill();
    for (const address of ADDRESSES) if (onLo().includes(address)) lan.host.run('ip', 'address', 'del', hostPrefix(address), 'dev', 'lo');
    await host.daemon.kill();
    await host.start();
  });
  afterAll(async () => {
    await host?.daemon.remove();
    await lan?.remove();
  });

  test('announced with its attributes, RFC 8326 on draining, withdrawn, and FRR as it was after close', async () => {
    const before = await config();
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
    expect(await config()).toBe(before);
    await advertising.want('announced');
    await arrived({ communities });
    expect(await advertising.close()).toBeNull();
    await gone();
    expect(await config()).toBe(before);
    expect(onLo()).toMatch(/10\.9\.0\.1.*\n.*valid_lft forever/);
  });

  test('renewing the lifetime tells routers nothing', async () => {
    const advertising = await announced();
    const version = async () => (await host.vtysh(`show bgp ipv4 unicast ${SHARED4}/32 json`)).match(/"version":\d+/g);
    const before = await version();
    expect(onLo()).not.toMatch(/forever/);
    await new Promise((resolve) => setTimeout(resolve, 3500));
    expect(await version()).toEqual(before);
    await arrived({});
    await clear(advertising);
  });

  test.each(['killed', 'frozen'])('hale is %s: the route goes by itself, and its successor clears what it left', async (how) => {
    const advertising = await announced();
    if (how === 'killed') await advertising.kill();
    else freeze(advertising.process.pid as number);
    await gone();
    expect(onLo()).toBe('');
    expect(await config()).toContain('hale-announced');
    await advertising.kill();

    const successor = open();
    await clear(successor);
    expect(await config()).not.toContain('hale');
    putOnLo();
    await successor.want('announced');
    await arrived({});
  });

  test('FRR is restarted: said while it is away, and put there again', async () => {
    const advertising = await announced();
    await host.daemon.kill();
    await vi.waitFor(
      async () => expect(await advertising.problem()).toMatch(/^FRR: bgpd cannot be asked: vtysh: .*: see that FRR runs/),
      WAIT,
    );
    await gone();
    await host.start();
    await arrived({});
    await clear(advertising);
  });

  test.runIf(routerAsn !== HOST_ASN)('a route to the address that BGP itself brought does not keep the own one alive', async () => {
    const advertising = await announced();
    await host.vtysh(
      'configure terminal',
      `router bgp ${HOST_ASN}`,
      'address-family ipv4 unicast',
      `neighbor ${lan.gateway.address4} allowas-in 5`,
    );
    await vi.waitFor(async () => expect(await host.vtysh(`show bgp ipv4 unicast ${SHARED4}/32`)).toMatch(/from 10\.77\.0\.3/), WAIT);
    await advertising.kill();
    await gone();
  });
});

describe.skipIf(problem)('what stands in the way of a route through FRR of this host', () => {
  let lan: RoutedLan;
  let host: HostFrr | undefined;
  let advertising: Advertising | undefined;
  const routes = async () => (await lan.router.routes()).filter(({ nextHop }) => nextHop === lan.host.address4);
  const begin = async (config: string) => {
    host = new HostFrr(lan.host, config);
    await host.start();
    lan.host.run('ip', 'address', 'replace', SHARED4, 'dev', 'lo');
    const options = { addresses: [SHARED4], attributes: { communities: [], localPreference: 100 }, socketFolder: host.folder };
    advertising = new Advertising(lan.host, { kind: 'frr', options });
    await advertising.want('announced');
  };
  const problemIs = (words: string | RegExp) =>
    vi.waitFor(async () => expect(await advertising?.problem()).toEqual(expect.stringMatching(words)), WAIT);

  beforeAll(async () => {
    lan = await createRoutedLan({ kind: frr, other: bird, routerAsn: 65_001 });
  });
  afterEach(async () => {
    await advertising?.kill();
    await host?.daemon.remove();
  });
  afterAll(() => lan?.remove());

  test('no router bgp: said, not made, and announced as soon as there is one', async () => {
    await begin('');
    await problemIs(/^FRR: bgpd has no `router bgp` outside of VRFs: configure it/);
    expect(await host?.vtysh('show running-config bgpd')).not.toMatch(/router bgp|hale/);
    await host?.configure(...userConfig(lan, 65_001).split('\n'));
    await vi.waitFor(async () => expect(await routes()).toHaveLength(1), WAIT);
  });

  test.each(['no bgp network import-check', ''])('import checks off by %j: nothing is announced until they are on', async (line) => {
    // A configuration that FRR 7.3 wrote has them off without a line.
    await begin(`${line === '' ? 'frr version 7.3\n' : ''}${userConfig(lan, 65_001, ` ${line}`)}`);
    await problemIs(/^FRR: router bgp 65000: bgp network import-check is off, so .*: write `bgp network import-check` below `router bgp`$/);
    expect(await host?.vtysh('show running-config bgpd')).not.toMatch(/hale/);
    await host?.configure(`router bgp ${HOST_ASN}`, 'bgp network import-check');
    await vi.waitFor(async () => expect(await routes()).toHaveLength(1), WAIT);
  });

  test("a network statement of the user's own is named, and left alone", async () => {
    const statement = ` address-family ipv4 unicast\n  network ${SHARED4}/32 route-map mine\n exit-address-family`;
    await begin(`${userConfig(lan, 65_001, statement)}route-map mine permit 10\nexit\n`);
    await problemIs(/^FRR: router bgp 65000 has a statement `network 10\.9\.0\.1\/32` of its own, which announces it always: remove it$/);
    expect(await advertising?.close()).toMatch(/of its own/);
    expect(await host?.vtysh('show running-config bgpd')).toMatch(/network 10\.9\.0\.1\/32 route-map mine/);
  });

  test('no neighbour hears it: why, and where to look', async () => {
    await begin(userConfig(lan, 65_001).replace(' no bgp ebgp-requires-policy', ''));
    await problemIs(/^FRR: router bgp 65000 announces 10\.9\.0\.1 to no neighbour: see `show bgp ipv4 unicast summary`/);
    await host?.configure(`router bgp ${HOST_ASN}`, 'no bgp ebgp-requires-policy');
    await host?.vtysh('clear bgp *');
    await vi.waitFor(async () => expect(await advertising?.problem()).toBeNull(), WAIT);
  });

  test("nothing, with the guide's configuration", async () => {
    await begin(fromGuide('frr', { shared: SHARED4, router: lan.gateway.address4, host: lan.host.address4 }));
    await vi.waitFor(async () => expect(await routes()).toHaveLength(1), WAIT);
    await vi.waitFor(async () => expect(await advertising?.problem()).toBeNull(), WAIT);
  });

  test('the address is not on lo: said', async () => {
    await begin(userConfig(lan, 65_001));
    lan.host.run('ip', 'address', 'del', hostPrefix(SHARED4), 'dev', 'lo');
    await problemIs(/^10\.9\.0\.1 not on lo, so FRR announces no route to it/);
    await vi.waitFor(async () => expect(await routes()).toEqual([]), WAIT);
  });
});

function userConfig({ gateway }: RoutedLan, routerAsn: number, more = ''): string {
  const lines = [gateway.address4, gateway.address6].flatMap((address) => [
    ` neighbor ${address} remote-as ${routerAsn}`,
    ` neighbor ${address} timers connect 1`,
  ]);
  return `router bgp ${HOST_ASN}
 bgp router-id 10.77.0.1
 no bgp ebgp-requires-policy
 no bgp default ipv4-unicast
${more}
${lines.join('\n')}
 address-family ipv4 unicast
  neighbor ${gateway.address4} activate
 exit-address-family
 address-family ipv6 unicast
  neighbor ${gateway.address6} activate
 exit-address-family
exit
`;
}
