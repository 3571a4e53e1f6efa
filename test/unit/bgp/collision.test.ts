import { describe, expect, test } from 'vitest';
import { notification } from '../../../src/core/bgp/notification.ts';
import { KEEPALIVE, kindsOf, LOCAL, notificationFrom, notificationsIn, openFrom, PlayedPeer } from '../../support/bgp-peer.ts';

const CONNECT_RETRY_MS = 5000;

describe('RFC 4271 section 6.8: collision', () => {
  const LOW = '1.1.1.1';
  const HIGH = '223.1.1.1';

  /** Both connections are there; the OPEN has come on the one that was made, or on the one that was taken. */
  const collided = (routerId: string, first: 'outgoing' | 'incoming') => {
    const peer = new PlayedPeer().start();
    const incoming = peer.accepted();
    const outgoing = peer.connected();
    const order = first === 'outgoing' ? [outgoing, incoming] : [incoming, outgoing];
    for (const id of order) peer.receive(id, openFrom({ routerId }));
    return { peer, incoming, outgoing };
  };
  const COLLISION = 'Cease/Connection Collision Resolution';

  test.each(['outgoing', 'incoming'] as const)('the peer has the higher identifier: its connection stays (first OPEN: %s)', (first) => {
    const { peer, incoming, outgoing } = collided(HIGH, first);
    expect(peer.state.connections.map(({ id, state }) => [id, state])).toEqual([[incoming, 'OpenConfirm']]);
    expect(notificationsIn(peer.outputs)).toEqual([COLLISION]);
    expect(peer.sent().at(-1)).toMatchObject({ connection: outgoing, kind: 'notification' });
  });

  test.each(['outgoing', 'incoming'] as const)(
    'this side has the higher identifier: its own connection stays (first OPEN: %s)',
    (first) => {
      const { peer, outgoing } = collided(LOW, first);
      expect(peer.state.connections.map(({ id, state }) => [id, state])).toEqual([[outgoing, 'OpenConfirm']]);
      expect(peer.state.counters.collisions).toBe(1);
      expect(peer.state.fsm).toBe('OpenConfirm');
    },
  );

  test('RFC 6286 section 2.3: equal identifiers, then the higher AS number decides', () => {
    const { peer, incoming } = collided(LOCAL, 'outgoing');
    expect(peer.state.connections.map(({ id }) => id)).toEqual([incoming]);
  });

  test('an Established session stays, whoever is higher', () => {
    const peer = new PlayedPeer();
    const id = peer.establish(openFrom({ routerId: HIGH }));
    const second = peer.accepted();
    expect(peer.state.fsm).toBe('Established');
    expect(notificationsIn(peer.receive(second, openFrom({ routerId: HIGH })))).toEqual([COLLISION]);
    expect(peer.state.connections.map((connection) => connection.id)).toEqual([id]);
  });

  test('a session that becomes Established ends what is under way beside it', () => {
    const peer = new PlayedPeer().start();
    const incoming = peer.accepted();
    const outputs = peer.receive(incoming, openFrom(), KEEPALIVE);
    expect(kindsOf(outputs)).toEqual(['send', 'cancel-connect', 'established']);
    const both = new PlayedPeer().start();
    const first = both.accepted();
    both.connected();
    expect(notificationsIn(both.receive(first, openFrom(), KEEPALIVE))).toEqual([COLLISION]);
    expect(both.state.connections.map(({ id }) => id)).toEqual([first]);
  });

  test('that a connection lost a collision is no error of the session', () => {
    const { peer } = collided(HIGH, 'outgoing');
    expect(peer.state.lastError).toBeUndefined();
    expect(kindsOf(peer.outputs)).not.toContain('failed');
  });

  test('the peer resolves it: the other connection goes on', () => {
    const peer = new PlayedPeer().start();
    const incoming = peer.accepted();
    const outgoing = peer.connected();
    peer.receive(outgoing, openFrom());
    peer.receive(incoming, notificationFrom(notification('Connection Collision Resolution')));
    expect([peer.state.fsm, peer.state.connections.map(({ id }) => id)]).toEqual(['OpenConfirm', [outgoing]]);
  });

  test('a peer that connects twice has given up the first', () => {
    const peer = new PlayedPeer({ passive: true }).start();
    peer.accepted();
    const second = peer.accepted();
    expect(peer.state.connections.map(({ id }) => id)).toEqual([second]);
  });

  test('beside a silent incoming connection the speaker still tries its own', () => {
    const peer = new PlayedPeer().start();
    peer.input({ kind: 'connect-failed', reason: 'refused' });
    peer.accepted();
    expect(kindsOf(peer.wait(CONNECT_RETRY_MS))).toContain('connect');
    const outgoing = peer.connected();
    peer.input({ kind: 'closed', connection: outgoing, reason: 'reset' });
    expect(kindsOf(peer.wait(CONNECT_RETRY_MS))).toContain('connect');
  });
});
