/** Peers that no router is: what hale answers on the wire, and that it and its other sessions live on. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { netnsProblem, type TestHost } from '../support/netns.ts';
import { bird } from '../support/routers/bird.ts';
import { breaches, PEER_ASN } from '../support/routers/breaches.ts';
import {
  attribute,
  goodAttributes,
  KEEPALIVE,
  keepalive,
  message,
  OPEN,
  open,
  RawPeer,
  UPDATE,
  update,
} from '../support/routers/raw-peer.ts';
import { SkippingClock } from '../support/routers/skipping-clock.ts';
import { hostRoutes, type Speaker, type SpeakerPeer } from '../support/routers/speaker.ts';
import { eventually, Stage } from '../support/routers/stage.ts';
import { listenIn } from '../support/tcp.ts';

const problem = netnsProblem();
const HALE_ASN = 65_000;
const KEEPALIVE_BYTES = 19;

describe.skipIf(problem !== undefined)(
  `BGP with peers that break the rules${problem === undefined ? '' : ` (skipped: ${problem})`}`,
  () => {
    let stage: Stage;
    let [hale, host]: TestHost[] = [];
    let speaker: Speaker;
    let clock: SkippingClock;

    beforeEach(() => {
      stage = new Stage('hale', 'peer', 'router');
      [hale, host] = [stage.hostAt(0), stage.hostAt(1)];
      clock = new SkippingClock();
    });
    afterEach(() => stage.end());

    const start = (peer: Partial<SpeakerPeer> = {}, others: SpeakerPeer[] = []) => {
      const peers = [{ address: host!.address4, remoteAsn: PEER_ASN, passive: true, ...peer }, ...others];
      speaker = stage.speaker(hale!, { asn: HALE_ASN, clock, peers, routes: hostRoutes('10.77.0.100', 'fd77::100') });
    };

    const status = () => speaker.status(host!.address4);
    const raw = () => keep(RawPeer.connect(host!, hale!.address4));
    const keep = (peer: RawPeer) => {
      stage.atEnd(() => void peer.socket.destroy());
      return peer;
    };

    /** A connection at whose end hale has sent its OPEN. */
    const openSent = async () => {
      await eventually(() => status().state).toBe('Active');
      const peer = raw();
      await eventually(() => peer.count(OPEN)).toBe(1);
      return peer;
    };
    const openConfirm = async (fields = {}) => {
      const peer = await openSent();
      peer.send(open({ asn: PEER_ASN, ...fields }));
      await eventually(() => peer.count(KEEPALIVE)).toBe(1);
      return peer;
    };
    const established = async (fields = {}) => {
      const peer = await openConfirm(fields);
      peer.send(keepalive);
      await eventually(() => status().state).toBe('Established');
      return peer;
    };
    const stages = { OpenSent: openSent, OpenConfirm: openConfirm, Established: established };

    test.each(breaches)(
      '$name: a NOTIFICATION says so, the connection ends, and the peer may come again',
      async ({ at, bytes, answer }) => {
        start();
        const peer = await stages[at ?? 'Established']();
        peer.send(bytes);
        await eventually(() => peer.notification).toEqual(answer);
        await eventually(() => peer.ended).toBe(true);
        expect(status().lastError).toMatchObject({ notification: 'sent', code: answer[0], subcode: answer[1] });
        clock.skip(60_000);
        await established();
      },
    );

    describe('RFC 7606: the session outlives an UPDATE', () => {
      const [origin, asPath, nextHop] = goodAttributes(PEER_ASN) as [Buffer, Buffer, Buffer];
      const nlri = [24, 203, 0, 113];
      const withdrawn = { treatedAsWithdraw: 1, prefixesWithdrawnByPeer: 1, prefixesReceived: 0 };
      const discarded = { attributesDiscarded: 1, prefixesReceived: 1, treatedAsWithdraw: 0 };
      test.each([
        {
          name: 'section 3 c: flags that are not those of the attribute',
          attributes: [attribute(0xc0, 1, 0), asPath, nextHop],
          counted: withdrawn,
        },
        { name: 'section 3 d: without AS_PATH', attributes: [origin, nextHop], counted: withdrawn },
        { name: 'section 3 d: without NEXT_HOP', attributes: [origin, asPath], counted: withdrawn },
        {
          name: 'section 4: the last attribute overruns',
          attributes: [origin, asPath, nextHop, Buffer.from([0x80, 4, 200, 1])],
          counted: withdrawn,
        },
        { name: 'section 7.1: ORIGIN 7', attributes: [attribute(0x40, 1, 7), asPath, nextHop], counted: withdrawn },
        {
          name: 'section 7.2: an AS_PATH that overruns',
          attributes: [origin, attribute(0x40, 2, 2, 9, 0, 0), nextHop],
          counted: withdrawn,
        },
        {
          name: 'section 7.2: a segment of type 9',
          attributes: [origin, attribute(0x40, 2, 9, 1, 0, 0, 253, 233), nextHop],
          counted: withdrawn,
        },
        { name: 'section 7.3: NEXT_HOP of 3 bytes', attributes: [origin, asPath, attribute(0x40, 3, 10, 77, 0)], counted: withdrawn },
        {
          name: 'section 7.4: MULTI_EXIT_DISC of 3 bytes',
          attributes: [origin, asPath, nextHop, attribute(0x80, 4, 0, 0, 1)],
          counted: withdrawn,
        },
        {
          name: 'section 7.8: COMMUNITIES of 5 bytes',
          attributes: [origin, asPath, nextHop, attribute(0xc0, 8, 0, 0, 0, 0, 1)],
          counted: withdrawn,
        },
        {
          name: 'section 7.5: LOCAL_PREF from outside',
          attributes: [origin, asPath, nextHop, attribute(0x40, 5, 0, 0, 0, 1)],
          counted: discarded,
        },
        {
          name: 'section 7.6: ATOMIC_AGGREGATE with a value',
          attributes: [origin, asPath, nextHop, attribute(0x40, 6, 1)],
          counted: discarded,
        },
        {
          name: 'section 7.7: AGGREGATOR of 3 bytes',
          attributes: [origin, asPath, nextHop, attribute(0xc0, 7, 1, 2, 3)],
          counted: discarded,
        },
        { name: 'section 3 g: ORIGIN twice', attributes: [origin, origin, asPath, nextHop], counted: discarded },
      ])('$name', async ({ attributes, counted }) => {
        start();
        const peer = await established();
        peer.send(update({ attributes, nlri }), keepalive);
        await eventually(() => status().counters).toMatchObject(counted);
        expect([status().state, peer.notification]).toEqual(['Established', undefined]);
        expect(speaker.events.map(({ kind }) => kind)).toEqual(['established', 'warned']);
      });

      test('RFC 4271 section 9: an optional attribute that nobody knows is none of hale’s business', async () => {
        start();
        const peer = await established();
        peer.send(update({ attributes: [...goodAttributes(PEER_ASN), attribute(0xc0, 222, 1, 2, 3)], nlri }));
        await eventually(() => status().counters.prefixesReceived).toBe(1);
        expect(speaker.events.map(({ kind }) => kind)).toEqual(['established']);
      });
    });

    describe('how bytes come', () => {
      test('one by one', async () => {
        start();
        const peer = await openSent();
        const bytes = Buffer.concat([
          open({ asn: PEER_ASN }),
          keepalive,
          update({ attributes: goodAttributes(PEER_ASN), nlri: [24, 203, 0, 113] }),
        ]);
        for (const byte of bytes) {
          peer.send(Buffer.from([byte]));
          await new Promise((resolve) => setTimeout(resolve, 1));
        }
        await eventually(() => [status().state, status().counters.prefixesReceived]).toEqual(['Established', 1]);
      });

      test('all at once, before hale has said a word', async () => {
        start();
        await eventually(() => status().state).toBe('Active');
        const peer = raw();
        peer.send(open({ asn: PEER_ASN }), keepalive, update({ attributes: goodAttributes(PEER_ASN), nlri: [24, 203, 0, 113] }));
        await eventually(() => [status().state, status().counters.prefixesReceived]).toEqual(['Established', 1]);
      });

      test('the longest message that is allowed, many times', async () => {
        start();
        const peer = await established();
        const attributes = goodAttributes(PEER_ASN);
        const room = 4096 - 23 - Buffer.concat(attributes).length;
        const nlri = Array.from({ length: Math.floor(room / 5) }, (_, i) => [32, 198, 51, i >> 8, i & 0xff]).flat();
        for (let i = 0; i < 500; i++) peer.send(update({ attributes, nlri }));
        await eventually(() => status().counters.prefixesReceived).toBe((500 * nlri.length) / 5);
        expect(status().state).toBe('Established');
      });
    });

    describe('silence (RFC 4271 sections 4.4, 6.5, 8.2.2)', () => {
      test.each([
        { name: 'after the connection: four minutes', at: 'OpenSent' as const, fields: {}, waitMs: 240_000 },
        { name: 'after OPEN: the smaller hold time', at: 'OpenConfirm' as const, fields: { holdTimeS: 30 }, waitMs: 30_000 },
        { name: 'in the session: the smaller hold time', at: 'Established' as const, fields: { holdTimeS: 30 }, waitMs: 30_000 },
      ])('$name', async ({ at, fields, waitMs }) => {
        start();
        const peer = await stages[at](fields);
        clock.skip(waitMs - 5000);
        await new Promise((resolve) => setTimeout(resolve, 100));
        expect([status().state, peer.notification]).toEqual([at, undefined]);
        clock.skip(5000);
        await eventually(() => peer.notification).toEqual([4, 0, '']);
        await eventually(() => peer.ended).toBe(true);
      });

      test('half a message is silence', async () => {
        start();
        const peer = await established({ holdTimeS: 30 });
        clock.skip(25_000);
        peer.send(keepalive.subarray(0, KEEPALIVE_BYTES - 1));
        await new Promise((resolve) => setTimeout(resolve, 100));
        clock.skip(5000);
        await eventually(() => peer.notification).toEqual([4, 0, '']);
      });

      test('a KEEPALIVE is none', async () => {
        start();
        const peer = await established({ holdTimeS: 30 });
        clock.skip(25_000);
        const before = status().counters.received.keepalive;
        peer.send(keepalive);
        await eventually(() => status().counters.received.keepalive).toBe(before + 1);
        clock.skip(25_000);
        await new Promise((resolve) => setTimeout(resolve, 100));
        expect([status().state, peer.notification]).toEqual(['Established', undefined]);
      });

      test('a hold time of 0: neither KEEPALIVEs nor an end', async () => {
        start();
        const peer = await established({ holdTimeS: 0 });
        const before = peer.count(KEEPALIVE);
        clock.skip(3_600_000);
        await new Promise((resolve) => setTimeout(resolve, 100));
        expect([status().state, peer.count(KEEPALIVE), peer.notification]).toEqual(['Established', before, undefined]);
      });
    });

    describe('two connections (RFC 4271 section 6.8)', () => {
      const twoConnections = async (routerId: string) => {
        const taken: RawPeer[] = [];
        const server = listenIn(host!, (socket) => taken.push(keep(new RawPeer(socket))), 179);
        stage.atEnd(() => void server.close());
        start({ passive: false, routerId });
        await eventually(() => taken[0]?.count(OPEN)).toBe(1);
        const made = raw();
        await eventually(() => made.count(OPEN)).toBe(1);
        return { ofHale: taken[0] as RawPeer, ofPeer: made };
      };

      test.each([
        { name: 'higher', routerId: '10.77.0.3', kept: 'ofHale' as const, first: 'ofHale' as const },
        { name: 'higher', routerId: '10.77.0.3', kept: 'ofHale' as const, first: 'ofPeer' as const },
        { name: 'lower', routerId: '10.77.0.1', kept: 'ofPeer' as const, first: 'ofHale' as const },
        { name: 'lower', routerId: '10.77.0.1', kept: 'ofPeer' as const, first: 'ofPeer' as const },
      ])('hale with the $name identifier, OPEN first on the connection $first: $kept stays', async ({ routerId, kept, first }) => {
        const connections = await twoConnections(routerId);
        const second = first === 'ofHale' ? 'ofPeer' : 'ofHale';
        connections[first].send(open({ asn: PEER_ASN }));
        await eventually(() => status().state).toBe('OpenConfirm');
        connections[second].send(open({ asn: PEER_ASN }));
        const [winner, loser] = [connections[kept], connections[kept === 'ofHale' ? 'ofPeer' : 'ofHale']];
        await eventually(() => loser.notification).toEqual([6, 7, '']);
        await eventually(() => loser.ended).toBe(true);
        winner.send(keepalive);
        await eventually(() => status().state).toBe('Established');
        await eventually(() => winner.count(UPDATE)).toBe(4);
        expect([winner.ended, status().counters.collisions, speaker.events.map(({ kind }) => kind)]).toEqual([false, 1, ['established']]);
      });

      test('one beside an established session ends, whatever the identifiers', async () => {
        start({ routerId: '10.77.0.1' });
        const peer = await established();
        const other = raw();
        other.send(open({ asn: PEER_ASN }));
        await eventually(() => other.notification).toEqual([6, 7, '']);
        expect([peer.ended, peer.notification, status().state]).toEqual([false, undefined, 'Established']);
      });

      test('a flood of connections of the peer itself leaves its session alone, and no heap of sockets', async () => {
        start();
        const peer = await established();
        const flood: RawPeer[] = [];
        while (flood.length < 300) {
          flood.push(raw());
          await new Promise((resolve) => setImmediate(resolve));
        }
        await eventually(() => flood.filter(({ ended }) => ended).length).toBeGreaterThanOrEqual(299);
        await eventually(() => hale!.run('ss', '-tnH', 'state', 'established').split('\n').length - 1).toBeLessThanOrEqual(2);
        peer.send(update({ attributes: goodAttributes(PEER_ASN), nlri: [24, 203, 0, 113] }));
        await eventually(() => status().counters.prefixesReceived).toBe(1);
        expect([status().state, peer.ended, status().counters.established]).toEqual(['Established', false, 1]);
      });
    });

    test('what a NOTIFICATION says is shown without what a terminal would obey', async () => {
      start();
      const peer = await established();
      const text = Buffer.from('\u001b[31mred\u001b[0m\r\n\u202egnp.exe');
      peer.send(message(3, Buffer.concat([Buffer.from([6, 2, text.length]), text])));
      await eventually(() => status().lastError?.notification).toBe('received');
      expect(status().lastError?.text).toMatch(/^Cease\/Administrative Shutdown: \P{C}*red\P{C}*$/u);
    });

    test.skipIf(bird.problem !== undefined)('through all of this the session with a real router stays', async () => {
      const far = stage.hostAt(2);
      const router = await stage.router(bird, {
        host: far,
        asn: 65_099,
        holdTimeS: 0,
        neighbors: [{ address: hale!.address4, asn: HALE_ASN }],
      });
      start({}, [{ address: far.address4, remoteAsn: 65_099 }]);
      await eventually(() => speaker.status(far.address4).state).toBe('Established');
      for (const { at, bytes, answer } of breaches) {
        const peer = await stages[at ?? 'Established']();
        peer.send(bytes);
        await eventually(() => peer.notification).toEqual(answer);
        // The other session is without hold time, so that this wait ends here alone.
        await eventually(() => status().state).toBe('Idle');
        clock.skip(60_000);
      }
      expect((await router.routes()).map(({ prefix }) => prefix)).toEqual(['10.77.0.100/32', 'fd77::100/128']);
      expect(speaker.status(far.address4)).toMatchObject({ state: 'Established', counters: { established: 1 } });
    });
  },
);
