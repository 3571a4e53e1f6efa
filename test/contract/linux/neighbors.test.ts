import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { arpAnnouncement, arpRequest } from '../../../src/core/neighbor/arp.ts';
import { ETHERTYPE_ARP, ETHERTYPE_IPV6 } from '../../../src/core/neighbor/ethernet.ts';
import { neighborSolicitation, unsolicitedAdvertisement } from '../../../src/core/neighbor/ndp.ts';
import { linkByName } from '../../../src/drivers/linux/links.ts';
import { openPacketSocket, type PacketSocket } from '../../../src/drivers/linux/packet.ts';
import { createTestLink, netnsProblem, type TestLink } from '../../support/netns.ts';
import { observe, type Observer } from './observer.ts';

const problem = netnsProblem();
const SHARED4 = '10.77.0.100';
const SHARED6 = 'fd77::100';
const STRANGER = '02:00:00:00:66:66';

describe.skipIf(problem)(`ARP and neighbour discovery on a link${problem ? `: skipped, ${problem}` : ''}`, () => {
  let net: TestLink;
  let host: Observer;
  const strangers: PacketSocket[] = [];

  beforeAll(() => {
    net = createTestLink();
    host = observe(net.host);
  });
  afterAll(() => {
    host?.close();
    for (const socket of strangers) socket.close();
    net?.remove();
  });

  /** Another machine on the peer's side of the wire, with a MAC of its own. */
  const stranger = (etherType: number): PacketSocket => {
    const socket = net.peer.inside(() => openPacketSocket({ link: linkByName('eth0'), etherType, onFrame: () => {} }));
    strangers.push(socket);
    return socket;
  };

  test.each([SHARED4, SHARED6])(
    'an announcement of %s changes the neighbour entry of a peer (RFC 5227 section 3, RFC 4861 section 7.2.6)',
    async (address) => {
      net.peer.run('ip', 'neigh', 'replace', address, 'lladdr', STRANGER, 'dev', 'eth0', 'nud', 'reachable');
      expect(host.neighbors.announce(address)).toEqual({ ok: true });
      await vi.waitFor(() => expect(net.peer.run('ip', 'neigh', 'show', address)).toContain(net.host.mac), 10_000);
    },
  );

  test.each([
    ['an ARP announcement', ETHERTYPE_ARP, arpAnnouncement({ mac: STRANGER, address: SHARED4 }), SHARED4],
    ['an ordinary ARP request in its name', ETHERTYPE_ARP, arpRequest({ mac: STRANGER, address: SHARED4, target: '10.77.0.9' }), SHARED4],
    ['a neighbour advertisement', ETHERTYPE_IPV6, unsolicitedAdvertisement({ mac: STRANGER, address: SHARED6 }), SHARED6],
  ])('a foreign claim by %s is heard', async (_name, etherType, frame, address) => {
    const heard = host.nextClaim(address);
    expect(stranger(etherType).send(frame)).toEqual({ ok: true });
    expect(await heard).toEqual({ address, mac: STRANGER, kind: 'announcement' });
  });

  test('a probe by another station is heard as one, an answer to our own probe is heard as an answer', async () => {
    const peer = observe(net.peer);
    const heard = host.nextClaim(SHARED4);
    peer.neighbors.probe(SHARED4);
    expect(await heard).toEqual({ address: SHARED4, mac: net.peer.mac, kind: 'probe' });
    peer.close();
    const answer = host.nextClaim(net.peer.address4);
    host.neighbors.probe(net.peer.address4);
    expect(await answer).toEqual({ address: net.peer.address4, mac: net.peer.mac, kind: 'answer' });
  });

  const questions = [
    { etherType: ETHERTYPE_ARP, ask: arpRequest, shared: SHARED4, other: '10.77.0.9' },
    { etherType: ETHERTYPE_IPV6, ask: neighborSolicitation, shared: SHARED6, other: 'fd77::9' },
  ];
  test.each(questions)('a question about $shared that claims nothing is not let in', async ({ etherType, ask, shared, other }) => {
    let claimed = false;
    void host.nextClaim(other).then(() => (claimed = true));
    const heard = host.nextClaim(shared);
    const wire = stranger(etherType);
    wire.send(ask({ mac: STRANGER, address: other, target: shared }));
    wire.send(ask({ mac: STRANGER, address: shared, target: other }));
    await heard;
    expect(claimed).toBe(false);
  });

  test('nothing with the own MAC is heard, even when it comes from the wire', async () => {
    const heard = host.nextClaim(SHARED4);
    const wire = stranger(ETHERTYPE_ARP);
    wire.send(arpAnnouncement({ mac: net.host.mac, address: SHARED4 }));
    wire.send(arpAnnouncement({ mac: STRANGER, address: SHARED4 }));
    expect((await heard).mac).toBe(STRANGER);
  });

  test('the socket hears again after the interface was down', async () => {
    net.host.run('ip', 'link', 'set', 'eth0', 'down');
    // The socket learns of it through the event loop, where an error would end libuv's watch.
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    expect(host.neighbors.announce(SHARED4)).toEqual({ ok: false, reason: 'send on eth0: ENETDOWN' });
    net.host.run('ip', 'link', 'set', 'eth0', 'up');
    const heard = host.nextClaim(SHARED4);
    stranger(ETHERTYPE_ARP).send(arpAnnouncement({ mac: STRANGER, address: SHARED4 }));
    expect((await heard).mac).toBe(STRANGER);
  });
});
