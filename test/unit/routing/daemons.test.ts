import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readLines, readProtocols } from '../../../src/drivers/routing/birdc.ts';
import { configFilter, readConfig, readImportChecks, readOwnPath } from '../../../src/drivers/routing/frr-look.ts';
import { hostPrefix } from '../../../src/base/address.ts';
import { halves } from '../../../src/core/bgp/community.ts';
import { drained } from '../../../src/core/bgp/route.ts';

const CONFIG = `frr version 8.4.4
router bgp 65000 vrf blue
 address-family ipv4 unicast
  network 10.9.0.1/32 route-map hale-announced
 exit-address-family
exit
router bgp 65001
 no bgp network import-check
 address-family ipv4 unicast
  network 10.9.0.1/32 route-map hale-draining
  network 10.8.0.1/32 label-index 4 route-map mine
  network 10.7.0.0/16
 exit-address-family
exit
route-map hale-announced permit 10
 description hale 0123456789ab
exit
route-map hale-draining permit 10
exit
`;

describe("FRR's configuration", () => {
  test('only the instance outside of VRFs counts, and only route-maps of hale', () => {
    expect(readConfig(CONFIG)).toEqual({
      asn: '65001',
      networks: new Map([
        ['10.9.0.1/32', 'hale-draining'],
        ['10.8.0.1/32', 'mine'],
        ['10.7.0.0/16', ''],
      ]),
      routeMaps: new Map([
        ['hale-announced', 'hale 0123456789ab'],
        ['hale-draining', ''],
      ]),
      importCheck: 'no bgp network import-check',
    });
  });

  test('with an instance of a VRF alone there is none', () => {
    expect(readConfig('router bgp 65000 vrf blue\n bgp router-id 1.1.1.1\nexit\n').asn).toBeUndefined();
    expect(readConfig('router bgp 1.10 as-notation dot\n').asn).toBe('1.10');
  });

  test('what is asked for holds all that is read, and no password', () => {
    const asked = new RegExp(configFilter(['10.9.0.1/32', '10.8.0.1/32', '10.7.0.0/16']));
    const kept = CONFIG.split('\n').filter((line) => asked.test(line));
    expect(readConfig(kept.join('\n'))).toEqual(readConfig(CONFIG));
    expect(asked.test(' neighbor 10.0.0.1 password secret')).toBe(false);
    expect(asked.test('  network 10.9.0.1/320')).toBe(false);
    expect(asked.test('  network 10.9.011/32')).toBe(false);
  });

  test('the table of import checks', () => {
    const table =
      'Current BGP import check cache:\n 10.9.0.1 valid [IGP metric 0], #paths 1\n  if lo\n fd99::1/128 invalid, #paths 1\n  Last update: now\n';
    expect(readImportChecks(table)).toEqual(new Set(['10.9.0.1', 'fd99::1']));
  });

  test("this host's own path is the sourced one", () => {
    const learned = { valid: true, bestpath: { overall: true } };
    const own = (valid: boolean) => JSON.stringify({ paths: [learned, { valid, sourced: true }], advertisedTo: { '10.0.0.1': {} } });
    expect(readOwnPath(own(true))).toEqual({ valid: true, advertised: true });
    expect(readOwnPath(own(false))).toEqual({ valid: false, advertised: true });
    expect(readOwnPath(JSON.stringify({ paths: [{ sourced: true, valid: true }] }))).toEqual({ valid: true, advertised: false });
    expect(readOwnPath(JSON.stringify({ paths: [learned] }))).toBeUndefined();
    for (const text of ['', '{', 'null', '[]', '{"paths":[null]}']) expect(readOwnPath(text)).toBeUndefined();
  });
});

describe("BIRD's answers", () => {
  const SAID = `0001 BIRD 2.0.12 ready.
2002-Name       Proto      Table      State  Since         Info
1002-device1    Device     ---        up     13:02:12.076  
     hale_announced Direct     ---        up     13:02:12.076  
1006-  Description:    hale abc
       Channel ipv4
         State:          UP
     
1002-my-bgp     BGP        ---        start  13:02:12.076  Idle          
`;

  test('a line without a code has that of the one before', () => {
    expect(readLines(SAID).map(({ code }) => code)).toEqual([1, 2002, 1002, 1002, 1006, 1006, 1006, 1006, 1002]);
  });

  test('protocols with kind, state and description', () => {
    expect([...readProtocols(readLines(SAID))]).toEqual([
      ['device1', { kind: 'Device', up: true, description: '' }],
      ['hale_announced', { kind: 'Direct', up: true, description: 'hale abc' }],
      ['my-bgp', { kind: 'BGP', up: false, description: '' }],
    ]);
  });
});

test('nothing that a daemon says is an exception', () => {
  const line = fc.oneof(fc.string(), fc.constantFrom(...CONFIG.split('\n'), '1002-x Direct --- up', '8003 no', '{"paths":', ' 1 valid'));
  const text = fc.array(line).map((lines) => lines.join('\n'));
  fc.assert(
    fc.property(text, (said) => {
      readConfig(said);
      readImportChecks(said);
      readOwnPath(said);
      readProtocols(readLines(said));
    }),
  );
});

test('RFC 8326 section 4: a host that is drained says GRACEFUL_SHUTDOWN, and has the lowest preference', () => {
  const attributes = { communities: [0xfde8_0064], localPreference: 100, med: 5 };
  expect(drained(attributes)).toEqual({ communities: [0xfde8_0064, 0xffff_0000], localPreference: 0, med: 5 });
  expect(halves(0xffff_0000)).toEqual([65_535, 0]);
  expect(['10.0.0.1', 'fd00::1'].map(hostPrefix)).toEqual(['10.0.0.1/32', 'fd00::1/128']);
});
