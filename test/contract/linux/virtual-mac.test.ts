import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { linkByName, listLinks } from '../../../src/drivers/linux/links.ts';
import { openVirtualMac } from '../../../src/drivers/linux/virtual-mac.ts';
import { createTestLink, netnsProblem, type TestLink } from '../../support/netns.ts';

const problem = netnsProblem();

describe.skipIf(problem)(`VRRP's virtual MAC address${problem ? `: skipped, ${problem}` : ''}`, () => {
  let link: TestLink;
  beforeAll(() => (link = createTestLink()));
  afterAll(() => link?.remove());

  const sysctl = (path: string) => link.host.run('sysctl', '-n', path).trim();
  const open = (virtualRouterId: number, family: 'IPv4' | 'IPv6' = 'IPv4') =>
    link.host.inside(() => openVirtualMac({ parent: linkByName('eth0'), virtualRouterId, family }));

  test.each([
    { family: 'IPv4', mac: '00:00:5e:00:01:4a' },
    { family: 'IPv6', mac: '00:00:5e:00:02:4a' },
  ] as const)('RFC 9568 section 7.3: $family has $mac, on an interface that is up and has no address of its own', ({ family, mac }) => {
    const virtual = open(74, family);
    expect(virtual.link).toMatchObject({ name: 'hale-vrrp74', mac, up: true });
    expect(link.host.run('ip', '-o', 'address', 'show', 'dev', 'hale-vrrp74')).toBe('');
    expect(link.host.inside(() => virtual.close())).toEqual({ ok: true });
    expect(link.host.inside(() => listLinks()).map(({ name }) => name)).not.toContain('hale-vrrp74');
  });

  test('the parent answers for its own addresses only, until the interface is gone', () => {
    const before = sysctl('net.ipv4.conf.eth0.arp_ignore');
    const virtual = open(7);
    expect(sysctl('net.ipv4.conf.eth0.arp_ignore')).toBe('1');
    link.host.inside(() => virtual.close());
    expect(sysctl('net.ipv4.conf.eth0.arp_ignore')).toBe(before);
  });

  test('what a killed agent left is replaced', () => {
    const left = open(9);
    const virtual = open(9);
    expect(virtual.link.index).not.toBe(left.link.index);
    link.host.inside(() => virtual.close());
  });

  test('an interface that can have none is an error that says so', () => {
    expect(() => link.host.inside(() => openVirtualMac({ parent: linkByName('lo'), virtualRouterId: 3, family: 'IPv4' }))).toThrow(
      expect.objectContaining({ code: 'virtual_mac_refused', message: expect.stringContaining('hale-vrrp3') }),
    );
  });
});
