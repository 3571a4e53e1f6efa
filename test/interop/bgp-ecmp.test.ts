/** Three hosts with one address behind a real router: equal-cost paths, traffic, and a host that is drained. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { BgpAdvertiser } from '../../src/engine/bgp-advertiser.ts';
import { netnsProblem, type TestHost } from '../support/netns.ts';
import { bird } from '../support/routers/bird.ts';
import { frr } from '../support/routers/frr.ts';
import { eventually, Stage } from '../support/routers/stage.ts';
import { answerAt, sendTraffic, type Traffic } from '../support/routers/traffic.ts';

const netns = netnsProblem();
const SHARED = ['10.88.0.1', 'fd88::1'];
const NAMES = ['one', 'two', 'three'];
const ROUTER_ASN = 64_999;

describe.each([bird, frr])('a shared address on three hosts behind $title', (kind) => {
  const problem = netns ?? kind.problem;
  let stage: Stage;
  let router: TestHost;
  let client: TestHost;
  const advertisers: BgpAdvertiser[] = [];

  beforeEach(() => {
    stage = new Stage(...NAMES, 'router', 'client');
    [router, client] = [stage.hostAt(3), stage.hostAt(4)];
    sysctl(
      router,
      'net.ipv4.ip_forward=1',
      'net.ipv6.conf.all.forwarding=1',
      'net.ipv4.conf.all.send_redirects=0',
      'net.ipv4.conf.eth0.send_redirects=0',
    );
    // By ports too (layer 4), as routers in front of servers do.
    sysctl(router, 'net.ipv4.fib_multipath_hash_policy=1', 'net.ipv6.fib_multipath_hash_policy=1');
    sysctl(client, 'net.ipv6.conf.eth0.accept_redirects=0');
    client.run('ip', 'route', 'add', '10.88.0.1', 'via', router.address4);
    client.run('ip', 'route', 'add', 'fd88::1', 'via', router.address6);
  });
  afterEach(async () => {
    advertisers.splice(0);
    await stage.end();
  });

  const start = async () => {
    const neighbors = NAMES.map((_, i) => ({ address: stage.hostAt(i).address4, asn: 65_001 + i }));
    await stage.router(kind, { host: router, asn: ROUTER_ASN, neighbors });
    for (const [i, name] of NAMES.entries()) advertise(i, name);
    await eventually(nextHops).toEqual([3, 3]);
  };

  const advertise = (i: number, name: string) => {
    const host = stage.hostAt(i);
    const answering = answerAt(host, { addresses: SHARED, name });
    stage.atEnd(() => answering.close());
    const { engine } = stage.speaker(host, { asn: 65_001 + i, peers: [{ address: router.address4, remoteAsn: ROUTER_ASN }] });
    const advertiser = new BgpAdvertiser({ engine, addresses: SHARED, attributes: { communities: [] } });
    advertiser.want('announced');
    advertisers.push(advertiser);
  };

  /** How many the kernel of the router has for each of the addresses. */
  const nextHops = () => [
    viaCount(router.run('ip', '-4', 'route', 'show', '10.88.0.1')),
    viaCount(router.run('ip', '-6', 'route', 'show', 'fd88::1')),
  ];

  const seenOf = async (traffic: Traffic, expected: readonly string[]) => {
    const seen = new Set<string>();
    await eventually(() => {
      for (const name of traffic.answers()) seen.add(name);
      return [...seen].toSorted();
    }).toEqual(expected.toSorted());
  };

  test.skipIf(problem !== undefined)(
    `its kernel has three next hops; one host is drained, ends, and comes back, and no request is lost${problem === undefined ? '' : ` (skipped: ${problem})`}`,
    async () => {
      await start();
      const traffic = sendTraffic(client, SHARED);
      await seenOf(traffic, NAMES);
      const [, two] = advertisers as [BgpAdvertiser, BgpAdvertiser, BgpAdvertiser];
      two.want('draining');
      await eventually(nextHops).toEqual([2, 2]);
      traffic.answers();
      await seenOf(traffic, ['one', 'three']);
      two.want('withdrawn');
      await eventually(() => two.problem()).toBeUndefined();
      expect(nextHops()).toEqual([2, 2]);
      two.want('announced');
      await eventually(nextHops).toEqual([3, 3]);
      await seenOf(traffic, NAMES);
      await two.close();
      await eventually(nextHops).toEqual([2, 2]);
      expect(await traffic.end()).toBe(0);
    },
  );
});

function sysctl(host: TestHost, ...settings: string[]): void {
  host.run('sysctl', '-q', '-w', ...settings);
}

function viaCount(text: string): number {
  return [...text.matchAll(/\bvia\b/g)].length;
}
