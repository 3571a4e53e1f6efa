import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { netnsProblem } from '../../support/netns.ts';
import { Capture, captureProblem } from '../../support/routers/capture.ts';
import { counter } from '../../support/routers/kernel.ts';
import { accepted, connect, type End, PORT, TcpStage } from '../../support/routers/tcp-stage.ts';

const problem = netnsProblem();

describe.skipIf(problem !== undefined)(`keys and TTLs between BGP peers${problem === undefined ? '' : ` (skipped: ${problem})`}`, () => {
  let stage: TcpStage;
  beforeEach(() => {
    stage = new TcpStage();
  });
  afterEach(() => stage.end());

  describe('TCP MD5 signatures (RFC 2385)', () => {
    test.each(['IPv4', 'IPv6'])('the same key on both sides connects over %s', async (family) => {
      const [hostAddress, peerAddress, any] = stage.addresses(family);
      const password = 'a key of up to 80 bytes'.padEnd(80, '!');
      const there = accepted(
        stage.open(stage.link.peer, [stage.toHost({ address: hostAddress, password })], [{ address: any, port: PORT }]),
      );
      const host = stage.open(stage.link.host, [stage.toPeer({ address: peerAddress, password })], [{ address: any, port: PORT }]);
      const attempt = connect(host, stage.toPeer({ address: peerAddress, password }));
      await expect.poll(() => attempt.end).toBeDefined();
      attempt.end?.connection.send(Buffer.from('signed'));
      await expect.poll(() => there.ends[0]?.text).toBe('signed');
      there.ends[0]?.connection.send(Buffer.from('signed too'));
      await expect.poll(() => attempt.end?.text).toBe('signed too');
    });

    test.each([
      { name: 'another key', ours: 'one', theirs: 'other', counted: 'TcpExtTCPMD5Failure' },
      { name: 'no key there', ours: 'one', theirs: undefined, counted: 'TcpExtTCPMD5Unexpected' },
      { name: 'no key here', ours: undefined, theirs: 'other', counted: 'TcpExtTCPMD5NotFound' },
    ])('$name: the kernel drops it, and nobody is told', async ({ ours, theirs, counted }) => {
      const key = (password: string | undefined) => (password === undefined ? {} : { password });
      const there = accepted(stage.open(stage.link.peer, [stage.toHost(key(theirs))]));
      const attempt = connect(stage.open(stage.link.host, [stage.toPeer(key(ours))]), stage.toPeer(key(ours)));
      await expect.poll(() => counter(stage.link.peer, counted)).toBeGreaterThan(0);
      expect([attempt.end, attempt.failed, there.ends]).toEqual([undefined, undefined, []]);
      attempt.cancel();
    });

    test('each peer has its own key, and those without one need none', async () => {
      stage.link.peer.run('ip', 'address', 'add', '10.77.0.101/24', 'dev', 'eth0');
      stage.link.peer.run('ip', 'address', 'add', '10.77.0.102/24', 'dev', 'eth0');
      const { ends } = accepted(
        stage.open(stage.link.host, [
          stage.toPeer(),
          stage.toPeer({ address: '10.77.0.101', password: 'one' }),
          stage.toPeer({ address: '10.77.0.102', password: 'two' }),
        ]),
      );
      const peer = stage.open(stage.link.peer, [stage.toHost()]);
      connect(peer, stage.toHost({ localAddress: '10.77.0.2' }));
      connect(peer, stage.toHost({ localAddress: '10.77.0.101', password: 'one' }));
      connect(peer, stage.toHost({ localAddress: '10.77.0.102', password: 'two' }));
      await expect
        .poll(() => ends.map(({ connection }) => connection.remoteAddress).toSorted())
        .toEqual(['10.77.0.101', '10.77.0.102', '10.77.0.2']);
    });
  });

  describe('the generalized TTL security mechanism (RFC 5082)', () => {
    test.each(['IPv4', 'IPv6'])('section 3: 255 is sent, and 255 is let in, over %s', async (family) => {
      const [hostAddress, peerAddress, any] = stage.addresses(family);
      const secure = { ttlSecurityHops: 1 };
      const there = accepted(
        stage.open(stage.link.peer, [stage.toHost({ address: hostAddress, ...secure })], [{ address: any, port: PORT }]),
      );
      const host = stage.open(stage.link.host, [], []);
      const attempt = connect(host, stage.toPeer({ address: peerAddress, ...secure }));
      await expect.poll(() => attempt.end).toBeDefined();
      attempt.end?.connection.send(Buffer.from('near'));
      await expect.poll(() => there.ends[0]?.text).toBe('near');
    });

    test('where all peers ask for it, a SYN from further away is dropped', async () => {
      const there = accepted(stage.open(stage.link.peer, [stage.toHost({ ttlSecurityHops: 1 })]));
      const attempt = connect(stage.open(stage.link.host, [], []), stage.toPeer({ ttl: 254 }));
      await expect.poll(() => counter(stage.link.peer, 'TcpExtTCPMinTTLDrop')).toBeGreaterThan(0);
      expect([attempt.end, attempt.failed, there.ends]).toEqual([undefined, undefined, []]);
      attempt.cancel();
      const within = accepted(stage.open(stage.link.peer, [stage.toHost({ ttlSecurityHops: 2 })], [{ address: '0.0.0.0', port: 1179 }]));
      connect(stage.open(stage.link.host, [], []), stage.toPeer({ ttl: 254, port: 1179 }));
      await expect.poll(() => within.ends.length).toBe(1);
    });

    test('where another peer does not, the answer to a SYN has 255 all the same', async () => {
      const there = accepted(
        stage.open(stage.link.peer, [stage.toHost({ ttlSecurityHops: 1 }), stage.toHost({ address: '10.77.0.9', ttl: 64 })]),
      );
      const near = connect(stage.open(stage.link.host, [], []), stage.toPeer({ ttlSecurityHops: 1 }));
      await expect.poll(() => [there.ends.length, near.end !== undefined]).toEqual([1, true]);
    });

    test('where another peer does not, what a peer sends from further away is dropped', async () => {
      const there = accepted(
        stage.open(stage.link.peer, [stage.toHost({ ttlSecurityHops: 1 }), stage.toHost({ address: '10.77.0.9', ttl: 64 })]),
      );
      const far = connect(stage.open(stage.link.host, [], []), stage.toPeer({ ttl: 64 }));
      await expect.poll(() => there.ends.length).toBe(1);
      await expect.poll(() => far.end).toBeDefined();
      const before = counter(stage.link.peer, 'TcpExtTCPMinTTLDrop');
      far.end?.connection.send(Buffer.from('far'));
      await expect.poll(() => counter(stage.link.peer, 'TcpExtTCPMinTTLDrop')).toBeGreaterThan(before);
      expect(there.ends[0]?.text).toBe('');
    });
  });

  test('the key is in no error', () => {
    expect(() => stage.open(stage.link.host, [stage.toPeer({ password: 'secret'.repeat(20) })])).toThrow(/^(?!.*secret)/s);
  });

  describe.skipIf(captureProblem !== undefined)(`on the wire${captureProblem === undefined ? '' : ` (skipped: ${captureProblem})`}`, () => {
    test.each([
      { name: 'a peer on the link', more: { ttl: 1 }, ttl: '1' },
      { name: 'a peer some hops away', more: { ttl: 5 }, ttl: '5' },
      { name: 'TTL security', more: { ttl: 5, ttlSecurityHops: 1 }, ttl: '255' },
    ])('$name: every packet has TTL $ttl, and is network control (CS6), in both families', async ({ more, ttl }) => {
      const capture = await Capture.start(stage.link.peer, 'tcp port 179');
      try {
        const listen = ['0.0.0.0', '::'].map((address) => ({ address, port: PORT }));
        const here = [stage.toPeer(more), stage.toPeer({ address: stage.link.peer.address6, ...more })];
        const there = [stage.toHost(more), stage.toHost({ address: stage.link.host.address6, ...more })];
        const { ends } = accepted(stage.open(stage.link.peer, there, listen));
        const host = stage.open(stage.link.host, here, listen);
        const attempts = here.map((peer) => connect(host, peer));
        await expect.poll(() => [ends.length, ...attempts.map(({ end }) => end !== undefined)]).toEqual([2, true, true]);
        for (const { connection } of ends) connection.send(Buffer.from('there'));
        for (const { end } of attempts) end?.connection.send(Buffer.from('here'));
        await expect
          .poll(() => [...ends, ...attempts.map(({ end }) => end as End)].map(({ text }) => text))
          .toEqual(['here', 'here', 'there', 'there']);
        await capture.stop();
        const packets = await capture.fields('tcp', 'ip.ttl', 'ipv6.hlim', 'ip.dsfield.dscp', 'ipv6.tclass.dscp', 'ip.src', 'ipv6.src');
        expect(new Set(packets.map(([ttl4, ttl6, dscp4, dscp6]) => `${ttl4}${ttl6} ${dscp4}${dscp6}`))).toEqual(new Set([`${ttl} 48`]));
        expect(new Set(packets.map(([, , , , from4, from6]) => `${from4}${from6}`)).size).toBe(4);
      } finally {
        await capture.remove();
      }
    });
  });
});
