import { afterEach, describe, expect, test } from 'vitest';
import { parseIp } from '../../../src/base/address.ts';
import { encodeControlPacket } from '../../../src/core/bfd/packet.ts';
import { openBfdLink } from '../../../src/drivers/linux/bfd.ts';
import { boottime } from '../../../src/drivers/linux/boottime.ts';
import { openDatagramReceiver } from '../../../src/drivers/linux/datagram-receiver.ts';
import * as libc from '../../../src/drivers/linux/libc.ts';
import { socketAddress } from '../../../src/drivers/linux/socket-address.ts';
import { type BfdChange, BfdEngine, type BfdSessionOptions } from '../../../src/engine/bfd.ts';
import type { BfdLink, BfdPacket } from '../../../src/ports/bfd.ts';
import { until } from '../../support/hale.ts';
import { createTestLink, netnsProblem, type TestHost, type TestLink } from '../../support/netns.ts';
import { firstPacket } from '../../unit/bfd/packets.ts';

const problem = netnsProblem();
const SOL_IP = 0;
const IP_TTL = 2;
const FAST = { transmitMs: 50, receiveMs: 50, multiplier: 3 };

describe.skipIf(problem !== undefined)(`BFD over UDP${problem === undefined ? '' : ` (skipped: ${problem})`}`, () => {
  const undo: (() => Promise<void> | void)[] = [];
  afterEach(async () => {
    for (const each of undo.splice(0).toReversed()) await each();
  });

  function stage(): TestLink {
    const link = createTestLink();
    undo.push(link.remove);
    return link;
  }

  function linkOn(host: TestHost): { link: BfdLink; heard: (BfdPacket & { multihop: boolean })[] } {
    const link = host.inside(() => openBfdLink());
    const heard: (BfdPacket & { multihop: boolean })[] = [];
    link.onReceive((packet) => heard.push(packet));
    undo.push(() => link.close());
    return { link, heard };
  }

  function engineOn(host: TestHost, sessions: readonly BfdSessionOptions[]) {
    const changes: BfdChange[] = [];
    const engine = host.inside(
      () =>
        new BfdEngine({
          clock: boottime,
          link: openBfdLink(),
          seed: host.address4.length,
          sessions,
          onChange: (change) => changes.push(change),
        }),
    );
    undo.push(() => engine.stop());
    return { engine, changes };
  }

  test.each([
    ['IPv4', 'address4', false],
    ['IPv4', 'address4', true],
    ['IPv6', 'address6', false],
    ['IPv6', 'address6', true],
  ] as const)('a packet over %s (%s, multihop %s) arrives with its addresses, its TTL and its bytes', async (_, address, multihop) => {
    const { host, peer } = stage();
    const [own, other] = [host[address], peer[address]];
    const [here, there] = [linkOn(host), linkOn(peer)];
    peer.inside(() => there.link.openSession({ localAddress: other, remoteAddress: own, multihop }));
    const socket = host.inside(() => here.link.openSession({ localAddress: own, remoteAddress: other, multihop }));
    const bytes = encodeControlPacket(firstPacket);
    expect(socket.send(bytes)).toEqual({ ok: true });
    await until(
      () => there.heard,
      ({ length }) => length > 0,
      'it has arrived',
    );
    expect(there.heard).toEqual([{ from: own, to: other, ttl: 255, multihop, bytes }]);
  });

  test('the TTL is what is left, not what is wished for', async () => {
    const { host, peer } = stage();
    const there = linkOn(peer);
    peer.inside(() => there.link.openSession({ localAddress: peer.address4, remoteAddress: host.address4, multihop: false }));
    const stranger = host.inside(() => libc.socket(libc.AF_INET, libc.SOCK_DGRAM | libc.SOCK_CLOEXEC, 0));
    undo.push(() => void libc.close(stranger));
    libc.setIntOption(stranger, { level: SOL_IP, name: IP_TTL, value: 254 });
    const to = socketAddress(parseIp(peer.address4) as Uint8Array, 3784);
    expect(libc.sendto(stranger, Uint8Array.of(1), 1, 0, to, to.length)).toBe(1);
    await until(
      () => there.heard,
      ({ length }) => length > 0,
      'it has arrived',
    );
    expect(there.heard).toMatchObject([{ ttl: 254, bytes: Uint8Array.of(1) }]);
  });

  test('what waits in the kernel is read on demand, without a turn of the loop', () => {
    const { host, peer } = stage();
    const [here, there] = [linkOn(host), linkOn(peer)];
    peer.inside(() => there.link.openSession({ localAddress: peer.address4, remoteAddress: host.address4, multihop: false }));
    const socket = host.inside(() => here.link.openSession({ localAddress: host.address4, remoteAddress: peer.address4, multihop: false }));
    // The first may wait for ARP; the kernel sends it when the answer is in.
    const word = new Int32Array(new SharedArrayBuffer(4));
    for (let i = 0; i < 100 && there.heard.length === 0; i++) {
      socket.send(encodeControlPacket(firstPacket));
      Atomics.wait(word, 0, 0, 10);
      there.link.receiveWaiting();
    }
    expect(there.heard.length).toBeGreaterThan(0);
  });

  test('a port that somebody else has is told of by each packet, and taken when it is free', () => {
    const { host } = stage();
    const other = host.inside(() => openDatagramReceiver({ family: 'IPv4', port: 3784, onDatagram: () => undefined }));
    if (!other.ok) throw new Error(other.reason);
    const { link } = linkOn(host);
    const session = { localAddress: host.address4, remoteAddress: '10.77.0.2', multihop: false };
    const socket = host.inside(() => link.openSession(session));
    const send = () => host.inside(() => socket.send(encodeControlPacket(firstPacket)));
    expect(send()).toEqual({
      ok: false,
      reason: 'listen on UDP port 3784 (IPv4): EADDRINUSE, another BFD program of this host has it',
    });
    other.receiver.close();
    expect(send()).toEqual({ ok: true });
    const multihop = host.inside(() => link.openSession({ ...session, localAddress: '10.77.0.77', multihop: true }));
    expect(host.inside(() => multihop.send(Uint8Array.of(1)))).toEqual({ ok: false, reason: 'send from 10.77.0.77: EADDRNOTAVAIL' });
    link.close();
    expect(send()).toEqual({ ok: false, reason: 'the session is closed' });
  });

  test('two hosts of hale come up, lose each other with the link, and find each other again; one that stops is no failure', async () => {
    const { host, peer } = stage();
    const [a, b] = [
      engineOn(host, [{ localAddress: host.address4, remoteAddress: peer.address4, multihop: false, ...FAST }]),
      engineOn(peer, [{ localAddress: peer.address4, remoteAddress: host.address4, multihop: false, ...FAST }]),
    ];
    const states = () => [a, b].map(({ engine }) => engine.status()[0]?.state).join(' ');
    await until(states, (found) => found === 'Up Up', 'both are Up');
    peer.run('ip', 'link', 'set', 'eth0', 'down');
    await until(states, (found) => found === 'Down Down', 'both are Down');
    expect([a, b].map(({ changes }) => changes.at(-1)?.diagnostic)).toEqual(Array(2).fill('Control Detection Time Expired'));
    peer.run('ip', 'link', 'set', 'eth0', 'up');
    await until(states, (found) => found === 'Up Up', 'both are Up again');
    await a.engine.stop();
    await until(
      () => b.changes.at(-1),
      (change) => change?.state === 'Down',
      'the other knows',
    );
    expect(b.changes.at(-1)).toMatchObject({ diagnostic: 'Neighbor Signaled Session Down', remoteState: 'AdminDown' });
  });
});
