/** What a real BFD daemon and hale have to agree on; one file of tests for each daemon. */
import { afterEach, describe, expect, onTestFinished, test } from 'vitest';
import { openBfdLink } from '../../../src/drivers/linux/bfd.ts';
import { boottime } from '../../../src/drivers/linux/boottime.ts';
import { type BfdChange, BfdEngine, type BfdSessionOptions } from '../../../src/engine/bfd.ts';
import type { BfdSessionStatus } from '../../../src/engine/bfd-session.ts';
import type { BfdLink } from '../../../src/ports/bfd.ts';
import { until } from '../hale.ts';
import { createTestLan, createTestLink, netnsProblem, type TestHost } from '../netns.ts';
import type { BfdDaemon, BfdDaemonKind, BfdNeighbor } from './bfd.ts';
import { Capture, captureProblem } from './capture.ts';

const FAST = { transmitMs: 50, receiveMs: 50, multiplier: 3 };
const PEER_ADMIN_DOWN = { state: '0', diagnostic: '7' };

interface Hale {
  engine: BfdEngine;
  link: BfdLink;
  changes: BfdChange[];
  status(): BfdSessionStatus;
}

export function bfdSuite(kind: BfdDaemonKind): void {
  const problem = netnsProblem() ?? captureProblem ?? kind.problem;
  describe.skipIf(problem !== undefined)(`BFD with ${kind.title}${problem === undefined ? '' : ` (skipped: ${problem})`}`, () => {
    const undo: (() => Promise<void> | void)[] = [];
    afterEach(async () => {
      for (const each of undo.splice(0).toReversed()) await each();
    });

    function stage(): { host: TestHost; peer: TestHost } {
      const link = createTestLink();
      undo.push(link.remove);
      return link;
    }

    async function daemonOn(peer: TestHost, neighbors: readonly BfdNeighbor[]): Promise<BfdDaemon> {
      const started = await kind.start(peer, neighbors);
      undo.push(() => started.daemon.remove());
      onTestFinished(({ task }) => {
        if (task.result?.state === 'fail') console.error(started.daemon.log);
      });
      return started;
    }

    function haleOn(host: TestHost, sessions: readonly BfdSessionOptions[]): Hale {
      const changes: BfdChange[] = [];
      const hale = host.inside(() => {
        const link = openBfdLink();
        const engine = new BfdEngine({ clock: boottime, link, seed: 4711, sessions, onChange: (change) => changes.push(change) });
        return { engine, link };
      });
      undo.push(() => hale.engine.stop());
      return { ...hale, changes, status: () => hale.engine.status()[0] as BfdSessionStatus };
    }

    async function captureOn(host: TestHost): Promise<Capture> {
      const capture = await Capture.start(host, 'udp');
      undo.push(() => capture.remove());
      return capture;
    }

    async function bothUp({ hale, daemon, remoteAddress }: { hale: Hale; daemon: BfdDaemon; remoteAddress: string }): Promise<void> {
      await until(hale.status, ({ state, remoteState }) => state === 'Up' && remoteState === 'Up', 'hale is Up');
      await until(
        () => daemon.session(remoteAddress),
        ({ state }) => state === 'up',
        'the daemon is Up',
      );
    }

    const families = [
      ['IPv4', 'address4'],
      ['IPv6', 'address6'],
    ] as const;

    test.each(families)(
      'comes up on one hop with 50 ms x 3 over %s, and tshark reads every packet without a complaint',
      async (_, address) => {
        const { host, peer } = stage();
        const [own, other] = [host[address], peer[address]];
        const capture = await captureOn(host);
        const daemon = await daemonOn(peer, [{ localAddress: other, remoteAddress: own, multihop: false, ...FAST }]);
        const hale = haleOn(host, [{ localAddress: own, remoteAddress: other, multihop: false, ...FAST }]);
        await bothUp({ hale, daemon, remoteAddress: own });
        const negotiated = { transmitIntervalMs: 50, receiveIntervalMs: 50, detectionTimeMs: 150, timesUp: 1 };
        await until(hale.status, (status) => status.detectionTimeMs === 150 && status.packetsOut > 20, 'packets go fast');
        expect(hale.status()).toMatchObject(negotiated);
        await capture.stop();
        const ours = `bfd && eth.src == ${host.mac}`;
        const way = ['ip.ttl', 'ip.dsfield.dscp', 'ipv6.hlim', 'ipv6.tclass.dscp', 'udp.srcport', 'udp.dstport'];
        const packets = await capture.fields(ours, ...way);
        expect(packets.length).toBeGreaterThan(20);
        expect(new Set(packets.map((packet) => packet.toSpliced(4, 1).join(' ').trim().replaceAll(/ +/g, ' ')))).toEqual(
          new Set(['255 48 3784']),
        );
        const ports = new Set(packets.map((packet) => Number(packet[4])));
        expect([...ports].map((port) => port >= 49_152 && port <= 65_535)).toEqual([true]);
        expect(await capture.fields(`${ours} && (_ws.malformed || _ws.expert.severity >= "Warning")`, 'frame.number')).toEqual([]);
      },
    );

    test('each direction goes at the slower of the two wishes (RFC 5880 section 6.8.2)', async () => {
      const { host, peer } = stage();
      const [own, other] = [host.address4, peer.address4];
      const theirs = { transmitMs: 300, receiveMs: 60, multiplier: 4 };
      const daemon = await daemonOn(peer, [{ localAddress: other, remoteAddress: own, multihop: false, ...theirs }]);
      const session = { localAddress: own, remoteAddress: other, multihop: false, transmitMs: 100, receiveMs: 200, multiplier: 5 };
      const hale = haleOn(host, [session]);
      await bothUp({ hale, daemon, remoteAddress: own });
      await until(hale.status, ({ detectionTimeMs }) => detectionTimeMs === 1200, 'the daemon has said how fast it sends');
      expect(hale.status()).toMatchObject({ transmitIntervalMs: 100, receiveIntervalMs: 300, timesDown: 0 });
    });

    test('timers change on both sides at run time by a Poll Sequence, and the session stays up (sections 6.5, 6.8.3)', async () => {
      const { host, peer } = stage();
      const [own, other] = [host.address4, peer.address4];
      const relaxed = { transmitMs: 200, receiveMs: 200, multiplier: 5 };
      const theirEnds = { localAddress: other, remoteAddress: own, multihop: false };
      const ends = { localAddress: own, remoteAddress: other, multihop: false };
      const daemon = await daemonOn(peer, [{ ...theirEnds, ...relaxed }]);
      const hale = haleOn(host, [{ ...ends, ...relaxed }]);
      await bothUp({ hale, daemon, remoteAddress: own });
      await until(hale.status, ({ receiveIntervalMs }) => receiveIntervalMs === 200, 'the daemon is fast');
      const capture = await captureOn(host);
      hale.engine.setTimers(ends, { transmitMs: 500, receiveMs: 400, multiplier: 5 });
      // Only when the daemon has answered does hale go slower.
      await until(
        hale.status,
        ({ transmitIntervalMs, receiveIntervalMs }) => transmitIntervalMs === 500 && receiveIntervalMs === 400,
        'slower',
      );
      await daemon.configure([{ ...theirEnds, transmitMs: 700, receiveMs: 200, multiplier: 4 }]);
      await until(hale.status, ({ detectionTimeMs }) => detectionTimeMs === 2800, "the daemon's new timers are known");
      await capture.stop();
      const flags = ['bfd.flags.p', 'bfd.flags.f', 'bfd.desired_min_tx_interval', 'bfd.required_min_rx_interval'];
      const ours = await capture.fields(`bfd && ip.src == ${own}`, ...flags);
      const daemons = await capture.fields(`bfd && ip.src == ${other}`, ...flags);
      expect(ours).toContainEqual(['1', '0', '500000', '400000']);
      expect(daemons.some(([, final]) => final === '1')).toBe(true);
      expect(daemons.some(([poll]) => poll === '1')).toBe(true);
      expect(ours.some(([, final]) => final === '1')).toBe(true);
      expect(hale.status()).toMatchObject({ state: 'Up', timesDown: 0 });
    });

    test('a daemon that is frozen is found out: Control Detection Time Expired; when it goes on, so does the session', async () => {
      const { host, peer } = stage();
      const [own, other] = [host.address4, peer.address4];
      const daemon = await daemonOn(peer, [{ localAddress: other, remoteAddress: own, multihop: false, ...FAST }]);
      const hale = haleOn(host, [{ localAddress: own, remoteAddress: other, multihop: false, ...FAST }]);
      await bothUp({ hale, daemon, remoteAddress: own });
      hale.changes.length = 0;
      daemon.daemon.freeze();
      await until(hale.status, ({ state }) => state === 'Down', 'hale is Down');
      expect(hale.changes[0]).toMatchObject({ state: 'Down', diagnostic: 'Control Detection Time Expired' });
      expect(hale.status()).toMatchObject({
        remoteDiscriminator: 0,
        detectionTimeMs: undefined,
        lastError: 'Control Detection Time Expired',
      });
      daemon.daemon.resume();
      await bothUp({ hale, daemon, remoteAddress: own });
    });

    test('hale that stops is AdminDown for the daemon, which says that its neighbor signaled it (section 6.8.16)', async () => {
      const { host, peer } = stage();
      const [own, other] = [host.address4, peer.address4];
      const daemon = await daemonOn(peer, [{ localAddress: other, remoteAddress: own, multihop: false, ...FAST }]);
      const hale = haleOn(host, [{ localAddress: own, remoteAddress: other, multihop: false, ...FAST }]);
      await bothUp({ hale, daemon, remoteAddress: own });
      const capture = await captureOn(peer);
      await hale.engine.stop();
      await until(
        () => daemon.session(own),
        ({ state }) => state !== 'up',
        'the daemon has noticed',
      );
      await capture.stop();
      const said = await capture.fields('bfd', 'ip.src', 'bfd.sta', 'bfd.diag');
      const hales = said.filter(([source]) => source === own);
      expect(hales.at(-1)?.slice(1).map(Number)).toEqual([Number(PEER_ADMIN_DOWN.state), Number(PEER_ADMIN_DOWN.diagnostic)]);
      // Down, Neighbor Signaled Session Down.
      expect(
        said
          .filter(([source]) => source === other)
          .at(-1)
          ?.slice(1)
          .map(Number),
      ).toEqual([1, 3]);
    });

    test('hale that vanishes without a word is Down for the daemon by its Detection Time', async () => {
      const { host, peer } = stage();
      const [own, other] = [host.address4, peer.address4];
      const daemon = await daemonOn(peer, [{ localAddress: other, remoteAddress: own, multihop: false, ...FAST }]);
      const hale = haleOn(host, [{ localAddress: own, remoteAddress: other, multihop: false, ...FAST }]);
      await bothUp({ hale, daemon, remoteAddress: own });
      const capture = await captureOn(peer);
      hale.link.close();
      await until(
        () => daemon.session(own),
        ({ state }) => state !== 'up',
        'the daemon has noticed',
      );
      await until(
        () => daemon.session(own),
        ({ state }) => state === 'down',
        'the daemon is Down',
      );
      await capture.stop();
      const said = await capture.fields(`bfd && ip.src == ${other}`, 'bfd.sta', 'bfd.diag');
      // Down, Control Detection Time Expired.
      expect(said.map((fields) => fields.map(Number))).toContainEqual([1, 1]);
    });

    test('a daemon whose session is ended on purpose is AdminDown, which is no failure (RFC 5882 section 4.1), or silent', async () => {
      const { host, peer } = stage();
      const [own, other] = [host.address4, peer.address4];
      const theirs = { localAddress: other, remoteAddress: own, multihop: false, ...FAST };
      const daemon = await daemonOn(peer, [theirs]);
      const hale = haleOn(host, [{ localAddress: own, remoteAddress: other, multihop: false, ...FAST }]);
      await bothUp({ hale, daemon, remoteAddress: own });
      hale.changes.length = 0;
      await daemon.disable(theirs);
      await until(hale.status, ({ state }) => state === 'Down', 'hale is Down');
      expect(hale.changes[0]).toMatchObject(
        kind.signalsEnd
          ? { state: 'Down', diagnostic: 'Neighbor Signaled Session Down', remoteState: 'AdminDown' }
          : { state: 'Down', diagnostic: 'Control Detection Time Expired', remoteState: 'Down' },
      );
    });

    test('multihop through a router, whatever the TTL that is left (RFC 5883)', async () => {
      const lan = createTestLan(['hale', 'router', 'peer']);
      undo.push(lan.remove);
      const [host, router, peer] = lan.hosts as [TestHost, TestHost, TestHost];
      const [own, other] = ['10.88.1.1', '10.88.2.1'];
      router.run(
        'sysctl',
        '-q',
        '-w',
        'net.ipv4.ip_forward=1',
        'net.ipv4.conf.all.send_redirects=0',
        'net.ipv4.conf.eth0.send_redirects=0',
      );
      for (const [at, address, far] of [
        [host, own, other],
        [peer, other, own],
      ] as const) {
        at.run('ip', 'address', 'add', `${address}/32`, 'dev', 'lo');
        at.run('ip', 'route', 'add', `${far}/32`, 'via', router.address4, 'src', address);
        router.run('ip', 'route', 'add', `${address}/32`, 'via', at.address4);
      }
      const capture = await captureOn(host);
      const daemon = await daemonOn(peer, [{ localAddress: other, remoteAddress: own, multihop: true, ...FAST }]);
      const session = { localAddress: own, remoteAddress: other, multihop: true, ...FAST };
      const hale = haleOn(host, [{ ...session, minimumTtl: kind.multihopTtl - 1 }]);
      await bothUp({ hale, daemon, remoteAddress: own });
      await capture.stop();
      expect((await capture.fields(`bfd && ip.src == ${own}`, 'udp.dstport', 'ip.ttl')).at(-1)).toEqual(['4784', '255']);
      expect((await capture.fields(`bfd && ip.src == ${other}`, 'udp.dstport', 'ip.ttl')).at(-1)).toEqual([
        '4784',
        String(kind.multihopTtl - 1),
      ]);
      // What comes from farther away than the peer may be is not believed.
      await hale.engine.remove(session);
      host.inside(() => hale.engine.add({ ...session, minimumTtl: kind.multihopTtl }));
      await until(hale.status, ({ packetsDeclined }) => packetsDeclined > 0, 'packets are declined');
      expect(hale.status()).toMatchObject({ state: 'Down', packetsIn: 0 });
      expect(hale.status().lastError).toContain('the TTL is below the least');
    });
  });
}
