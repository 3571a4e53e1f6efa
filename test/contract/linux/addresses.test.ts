import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { openAddresses, type Addresses } from '../../../src/drivers/linux/addresses.ts';
import { linkByAddress, linkByName, listAddresses } from '../../../src/drivers/linux/links.ts';
import { createTestLink, netnsProblem, type TestLink } from '../../support/netns.ts';

const problem = netnsProblem();
const done = { ok: true };

describe.skipIf(problem)(`addresses by rtnetlink${problem ? `: skipped, ${problem}` : ''}`, () => {
  let link: TestLink;
  let addresses: Addresses;
  let linkIndex: number;
  const onHost = () => link.host.inside(() => listAddresses(linkIndex)).map((entry) => `${entry.address}/${entry.prefixLength}`);

  beforeAll(() => {
    link = createTestLink();
    link.host.inside(() => {
      addresses = openAddresses();
      linkIndex = linkByName('eth0').index;
    });
  });
  afterAll(() => {
    addresses?.close();
    link?.remove();
  });

  test('an interface is found by its name and by the address it carries; an unknown one is named in the error', () => {
    link.host.inside(() => {
      const eth0 = linkByName('eth0');
      expect(eth0).toMatchObject({ name: 'eth0', mac: link.host.mac, up: true, mtu: 1500 });
      expect(linkByAddress(link.host.address4)).toEqual(eth0);
      expect(linkByAddress(link.host.address6)).toEqual(eth0);
      expect(() => linkByName('eth7')).toThrow(expect.objectContaining({ code: 'interface_not_found', message: 'interface eth7: ENODEV' }));
      expect(() => linkByAddress('10.9.9.9')).toThrow(expect.objectContaining({ code: 'address_on_no_interface' }));
    });
  });

  test.each(['10.77.0.100', 'fd77::100'])('adding and removing %s twice is the same as once', (address) => {
    const prefix = `${address}/${address.includes(':') ? 128 : 32}`;
    expect([addresses.add({ linkIndex, address }), addresses.add({ linkIndex, address })]).toEqual([done, done]);
    expect(onHost()).toContain(prefix);
    expect([addresses.remove({ linkIndex, address }), addresses.remove({ linkIndex, address })]).toEqual([done, done]);
    expect(onHost()).not.toContain(prefix);
  });

  test('a refusal says what was tried and the reason', () => {
    expect(addresses.add({ linkIndex: 4321, address: '10.77.0.100' })).toEqual({
      ok: false,
      reason: expect.stringMatching(/^add 10\.77\.0\.100: ENODEV/),
    });
  });

  test('the address is usable at once (no DAD) and never the source of own connections (RFC 6724 section 5 rule 3)', () => {
    // fd77::3 differs from the peer's fd77::2 in one bit only, so rule 8 would prefer it to fd77::1.
    for (const address of ['fd77::3', '10.77.0.3']) addresses.add({ linkIndex, address });
    expect(link.host.run('ip', 'address', 'show', 'dev', 'eth0', 'to', 'fd77::3')).toMatch(/nodad/);
    expect(link.host.run('ip', 'address', 'show', 'dev', 'eth0', 'to', 'fd77::3')).not.toMatch(/tentative/);
    expect(link.host.run('ip', '-6', 'route', 'get', link.peer.address6)).toContain(`src ${link.host.address6} `);
    expect(link.host.run('ip', 'route', 'get', link.peer.address4)).toContain(`src ${link.host.address4} `);
    for (const address of ['fd77::3', '10.77.0.3']) addresses.remove({ linkIndex, address });
  });

  test('the kernel removes an address after its valid lifetime', async () => {
    for (const address of ['10.77.0.100', 'fd77::100']) expect(addresses.add({ linkIndex, address, validLftS: 1 })).toEqual(done);
    expect(onHost()).toEqual(expect.arrayContaining(['10.77.0.100/32', 'fd77::100/128']));
    await vi.waitFor(() => expect(onHost().filter((text) => text.includes('100/'))).toEqual([]), 20_000);
  });
});
