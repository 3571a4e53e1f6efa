/** What hale puts on the wire, as an independent decoder reads it. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { GRACEFUL_SHUTDOWN } from '../../src/core/bgp/community.ts';
import { netnsProblem, type TestHost } from '../support/netns.ts';
import { bird } from '../support/routers/bird.ts';
import { Capture, captureProblem } from '../support/routers/capture.ts';
import { hostRoutes } from '../support/routers/speaker.ts';
import { eventually, Stage } from '../support/routers/stage.ts';

const problem = netnsProblem() ?? bird.problem ?? captureProblem;

describe.skipIf(problem !== undefined)(`hale's BGP, read by tshark${problem === undefined ? '' : ` (skipped: ${problem})`}`, () => {
  let stage: Stage;
  let [hale, host]: TestHost[] = [];
  let capture: Capture;
  beforeEach(async () => {
    stage = new Stage('hale', 'router');
    [hale, host] = [stage.hostAt(0), stage.hostAt(1)];
    capture = await Capture.start(host, 'tcp port 179');
    stage.atEnd(() => capture.remove());
  });
  afterEach(() => stage.end());

  test.each([
    { name: 'eBGP over IPv4', ipv6: false, asn: 4_200_000_001 },
    { name: 'iBGP over IPv6', ipv6: true, asn: 65_001 },
  ])('$name: every message is well-formed, and says what it should', async ({ ipv6, asn }) => {
    const [haleAddress, address] = ipv6 ? [hale!.address6, host!.address6] : [hale!.address4, host!.address4];
    const router = await stage.router(bird, { host: host!, asn: 65_001, neighbors: [{ address: haleAddress, asn }] });
    const gracefulRestart = { restartTimeS: 120, restarted: true, forwardingPreserved: true };
    const routes = hostRoutes('10.77.0.100', 'fd77::100').map((route) => ({
      ...route,
      communities: [GRACEFUL_SHUTDOWN, 4_259_840_100],
      med: 50,
    }));
    const nextHops = { IPv4: hale!.address4, IPv6: hale!.address6, linkLocal: 'fe80::1' };
    const { engine } = stage.speaker(hale!, { asn, peers: [{ address, remoteAsn: 65_001, gracefulRestart, nextHops }], routes });
    await eventually(async () => (await router.routes()).length).toBe(2);
    engine.setRoutes([]);
    await eventually(() => router.routes()).toEqual([]);
    engine.stop({ message: 'Ende – fin' });
    await eventually(async () => (await router.session(haleAddress)).text).toContain('Ende – fin');
    await capture.stop();

    const fromHale = ipv6 ? `ipv6.src == ${haleAddress}` : `ip.src == ${haleAddress}`;
    expect(await capture.fields(`${fromHale} && _ws.malformed`, 'frame.number')).toEqual([]);
    const remarks = (await capture.fields(`${fromHale} && bgp`, '_ws.expert.message')).flatMap(([list]) => (list as string).split(','));
    // Of IP and TCP; of BGP there is none.
    expect(remarks.filter((remark) => !/^$|"Time To Live"|^Connection finish/.test(remark))).toEqual([]);
    const types = (await capture.fields(`bgp && ${fromHale}`, 'bgp.type')).flatMap(([list]) => (list as string).split(','));
    expect([...new Set(types)].toSorted()).toEqual(['1', '2', '3', '4']);
    const text = await capture.tshark('-Y', `bgp && ${fromHale}`, '-V', '-O', 'bgp');
    expect(text).toContain(`My AS: ${asn > 65_535 ? '23456 (AS_TRANS)' : asn}`);
    expect(text).toContain('Support for 4-octet AS number capability');
    expect(text).toContain('Graceful Restart');
    expect(text).toContain('Community: 65000:100');
    expect(text).toContain('10.77.0.100/32');
    expect(text).toContain('fd77::100/128');
    expect(text).toContain('Minor error Code (Cease): Administratively Shutdown (2)');
    expect(text).toContain('Shutdown Communication: Ende – fin');
  });
});
