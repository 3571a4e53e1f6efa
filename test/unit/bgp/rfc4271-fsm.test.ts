import { describe, expect, test } from 'vitest';
import { IDLE_HOLD_MS } from '../../../src/core/bgp/peer-state.ts';
import { bgpPeer } from '../../../src/core/bgp/peer.ts';
import { decodeOpen } from '../../../src/core/bgp/open.ts';
import {
  capabilities,
  KEEPALIVE,
  kindsIn,
  kindsOf,
  LOCAL,
  messagesIn,
  notificationFrom,
  notificationsIn,
  openFrom,
  PlayedPeer,
  updateFrom,
} from '../../support/bgp-peer.ts';

const CONNECT_RETRY_MS = 5000;
const JITTER_LEAST = 0.75;
const cease = notificationFrom({ code: 6, subcode: 4, data: new Uint8Array(0) });

describe('section 8.2.2: Idle', () => {
  test('before ManualStart nothing is wanted, and an incoming connection is refused without a byte', () => {
    const peer = new PlayedPeer();
    expect([peer.state.fsm, bgpPeer.wakeAt(peer.state)]).toEqual(['Idle', Number.POSITIVE_INFINITY]);
    peer.accepted();
    expect(peer.outputs).toEqual([{ kind: 'close', connection: 1 }]);
    expect(peer.state.connections).toEqual([]);
  });

  test('ManualStart connects: Connect; with PassiveTcpEstablishment it waits: Active', () => {
    const peer = new PlayedPeer().start();
    expect([peer.state.fsm, kindsOf(peer.outputs)]).toEqual(['Connect', ['connect']]);
    const passive = new PlayedPeer({ passive: true }).start();
    expect([passive.state.fsm, passive.outputs, bgpPeer.wakeAt(passive.state)]).toEqual(['Active', [], Number.POSITIVE_INFINITY]);
  });

  test('a state knows when it began', () => {
    const peer = new PlayedPeer();
    peer.wait(70);
    peer.start();
    peer.wait(5);
    expect([peer.state.fsm, peer.state.since]).toEqual(['Connect', 70]);
  });

  test('ManualStart in any other state is ignored', () => {
    const peer = new PlayedPeer().start();
    expect(peer.input({ kind: 'start' })).toEqual([]);
  });
});

describe('section 8.2.2: Connect and Active', () => {
  test('the ConnectRetryTimer expires in Connect: the attempt is dropped and another begins', () => {
    const peer = new PlayedPeer().start();
    expect(peer.wait(CONNECT_RETRY_MS * JITTER_LEAST - 1)).toEqual([]);
    expect(kindsOf(peer.wait(CONNECT_RETRY_MS * (1 - JITTER_LEAST) + 1))).toEqual(['cancel-connect', 'connect']);
    expect(peer.state.fsm).toBe('Connect');
  });

  test('TCP fails: Active, and the reason is kept; the ConnectRetryTimer leads back to Connect', () => {
    const peer = new PlayedPeer().start();
    const outputs = peer.input({ kind: 'connect-failed', reason: 'connection refused' });
    const error = { notification: 'none', text: 'TcpConnectionFails: connection refused' };
    expect([peer.state.fsm, outputs, peer.state.lastError]).toEqual(['Active', [{ kind: 'failed', error }], error]);
    peer.wait(CONNECT_RETRY_MS);
    expect([peer.state.fsm, peer.state.counters.connectAttempts]).toEqual(['Connect', 2]);
  });

  test('TCP fails: the ConnectRetryTimer begins anew', () => {
    const peer = new PlayedPeer().start();
    peer.wait(3000);
    peer.input({ kind: 'connect-failed', reason: 'timed out' });
    expect(peer.wait(CONNECT_RETRY_MS * JITTER_LEAST - 1)).toEqual([]);
  });

  test('TCP is there, made by either side: an OPEN is sent, and the HoldTimer is large: OpenSent', () => {
    const made = new PlayedPeer().start();
    made.connected();
    const taken = new PlayedPeer({ passive: true }).start();
    taken.accepted();
    for (const peer of [made, taken]) {
      expect([peer.state.fsm, kindsIn(peer.outputs)]).toEqual(['OpenSent', ['open']]);
      expect(peer.state.connections[0]?.holdAt).toBe(240_000);
    }
    const [open] = made.sent();
    expect(decodeOpen(open?.body as Uint8Array)).toMatchObject({
      ok: true,
      value: { asn: 65_001, holdTimeS: 9, routerId: LOCAL, capabilities: { families: ['IPv4'], routeRefresh: true, fourOctetAsn: 65_001 } },
    });
  });

  test('a connection that comes too late, after the peer was stopped, is closed', () => {
    const peer = new PlayedPeer().start();
    expect(kindsOf(peer.input({ kind: 'stop', message: '', restarting: false }))).toEqual(['cancel-connect']);
    peer.connected();
    expect(peer.outputs.at(-1)).toEqual({ kind: 'close', connection: 1 });
  });

  test('timers run for 0.75 to 1 times their value (section 10), differently each time', () => {
    const peer = new PlayedPeer().start();
    const waits = Array.from({ length: 50 }, () => {
      peer.input({ kind: 'connect-failed', reason: '' });
      const wait = bgpPeer.wakeAt(peer.state) - peer.now;
      peer.wait(wait);
      return wait;
    });
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(CONNECT_RETRY_MS * JITTER_LEAST);
    expect(Math.max(...waits)).toBeLessThanOrEqual(CONNECT_RETRY_MS);
    expect(new Set(waits).size).toBeGreaterThan(40);
  });
});

describe('section 8.2.2: OpenSent', () => {
  const opened = () => {
    const peer = new PlayedPeer().start();
    peer.connected();
    peer.sent();
    return peer;
  };

  test('an OPEN that is right: KEEPALIVE, and the smaller hold time: OpenConfirm', () => {
    const peer = opened();
    peer.receive(1, openFrom({ holdTimeS: 6 }));
    expect([peer.state.fsm, kindsIn(peer.outputs)]).toEqual(['OpenConfirm', ['keepalive']]);
    const [connection] = peer.state.connections;
    expect(connection?.session).toMatchObject({ holdTimeMs: 6000, keepaliveMs: 2000, families: ['IPv4'], remoteRouterId: '192.0.2.2' });
    expect(connection?.holdAt).toBe(6000);
  });

  test('an OPEN that is wrong: its NOTIFICATION, and Idle', () => {
    const peer = opened();
    const outputs = peer.receive(1, openFrom({ holdTimeS: 2 }));
    expect([peer.state.fsm, kindsOf(outputs), notificationsIn(outputs)]).toEqual([
      'Idle',
      ['send', 'close', 'failed'],
      ['OPEN Message Error/Unacceptable Hold Time'],
    ]);
    expect(peer.state.lastError).toEqual({ notification: 'sent', code: 2, subcode: 6, text: 'OPEN Message Error/Unacceptable Hold Time' });
  });

  test('TcpConnectionFails: Active, where the peer may connect', () => {
    const peer = opened();
    peer.input({ kind: 'closed', connection: 1, reason: 'connection reset' });
    expect([peer.state.fsm, kindsOf(peer.outputs)]).toEqual(['Active', ['failed']]);
    peer.accepted();
    expect(peer.state.fsm).toBe('OpenSent');
  });

  test('the large HoldTimer expires: Hold Timer Expired', () => {
    const peer = opened();
    expect(notificationsIn(peer.wait(240_000))).toContain('Hold Timer Expired');
  });

  test.each([
    ['KEEPALIVE', KEEPALIVE, 4],
    ['UPDATE', updateFrom({}), 2],
  ])('%s is unexpected (RFC 6608)', (_, message, type) => {
    const outputs = opened().receive(1, message);
    expect(notificationsIn(outputs)).toEqual(['Finite State Machine Error/Receive Unexpected Message in OpenSent State']);
    expect(messagesIn(outputs)[0]?.body).toEqual(Uint8Array.of(5, 1, type));
  });
});

describe('section 8.2.2: OpenConfirm', () => {
  const confirmed = () => {
    const peer = new PlayedPeer().start();
    peer.connected();
    peer.receive(1, openFrom());
    peer.sent();
    return peer;
  };

  test('KEEPALIVE: Established', () => {
    const peer = confirmed();
    peer.receive(1, KEEPALIVE);
    expect([peer.state.fsm, kindsOf(peer.outputs), peer.state.counters.established]).toEqual(['Established', ['established'], 1]);
  });

  test('TcpConnectionFails: Idle', () => {
    const peer = confirmed();
    peer.input({ kind: 'closed', connection: 1, reason: 'reset' });
    expect(peer.state.fsm).toBe('Idle');
  });

  test.each([
    ['OPEN', openFrom()],
    ['UPDATE', updateFrom({})],
  ])('%s is unexpected (RFC 6608)', (_, message) => {
    const outputs = confirmed().receive(1, message);
    expect(notificationsIn(outputs)).toEqual(['Finite State Machine Error/Receive Unexpected Message in OpenConfirm State']);
  });
});

describe('section 8.2.2: Established', () => {
  test('a KEEPALIVE is sent after each keepalive time, of a third of the hold time', () => {
    const peer = new PlayedPeer();
    peer.establish();
    peer.sent();
    const kinds: string[] = [];
    for (let i = 0; i < 20; i++) {
      kinds.push(...kindsIn(peer.wait(3000)));
      peer.receive(1, KEEPALIVE);
    }
    expect(kinds.length).toBeGreaterThanOrEqual(20);
    expect(kinds.length).toBeLessThanOrEqual(27);
    expect(new Set(kinds)).toEqual(new Set(['keepalive']));
    expect(peer.state.fsm).toBe('Established');
  });

  test('nothing is heard for the hold time: Hold Timer Expired; the down event says so', () => {
    const peer = new PlayedPeer();
    peer.establish();
    peer.wait(8999);
    expect(peer.state.fsm).toBe('Established');
    const outputs = peer.wait(1);
    expect(notificationsIn(outputs)).toEqual(['Hold Timer Expired']);
    expect(outputs.at(-1)).toEqual({ kind: 'down', error: { notification: 'sent', code: 4, subcode: 0, text: 'Hold Timer Expired' } });
    expect(peer.state.fsm).toBe('Idle');
  });

  test.each([
    ['KEEPALIVE', KEEPALIVE],
    ['UPDATE', updateFrom({ withdrawn: ['10.0.0.0/8'] })],
  ])('%s restarts the HoldTimer', (_, message) => {
    const peer = new PlayedPeer();
    peer.establish();
    peer.wait(8000);
    peer.receive(1, message);
    peer.wait(8000);
    expect(peer.state.fsm).toBe('Established');
  });

  test('a hold time of 0: neither keepalives nor expiry (section 4.2)', () => {
    const peer = new PlayedPeer({ holdTimeMs: 0 });
    peer.establish();
    expect([bgpPeer.wakeAt(peer.state), peer.wait(1e9)]).toEqual([Number.POSITIVE_INFINITY, []]);
    const other = new PlayedPeer();
    other.establish(openFrom({ holdTimeS: 0 }));
    expect(bgpPeer.wakeAt(other.state)).toBe(Number.POSITIVE_INFINITY);
  });

  test('OPEN is unexpected (RFC 6608)', () => {
    const peer = new PlayedPeer();
    peer.establish();
    expect(notificationsIn(peer.receive(1, openFrom()))).toEqual([
      'Finite State Machine Error/Receive Unexpected Message in Established State',
    ]);
  });

  test('a NOTIFICATION ends the session, and is not answered (section 6.4)', () => {
    const peer = new PlayedPeer();
    peer.establish();
    const outputs = peer.receive(1, cease);
    const error = { notification: 'received', code: 6, subcode: 4, text: 'Cease/Administrative Reset' };
    expect(outputs).toEqual([
      { kind: 'close', connection: 1 },
      { kind: 'down', error },
    ]);
    expect(peer.state.lastError).toEqual(error);
  });

  test('what follows a NOTIFICATION in the stream is not looked at', () => {
    const peer = new PlayedPeer();
    peer.establish();
    peer.receive(1, Uint8Array.from([...cease, ...openFrom(), 0, 1, 2]));
    expect(peer.state.counters.sent.notification).toBe(0);
    expect(peer.state.counters.received.open).toBe(1);
  });

  test('ManualStop: Cease/Administrative Shutdown with the text for the operator (RFC 9003)', () => {
    const peer = new PlayedPeer();
    peer.establish();
    const outputs = peer.input({ kind: 'stop', message: 'moved to rack ü', restarting: false });
    expect(notificationsIn(outputs)).toEqual(['Cease/Administrative Shutdown: moved to rack ü']);
    expect([peer.state.fsm, bgpPeer.wakeAt(peer.state)]).toEqual(['Idle', Number.POSITIVE_INFINITY]);
  });

  test('bytes and ends of connections that have ended already are ignored', () => {
    const peer = new PlayedPeer();
    peer.establish();
    peer.receive(1, cease);
    expect(peer.input({ kind: 'received', connection: 1, bytes: KEEPALIVE })).toEqual([]);
    expect(peer.input({ kind: 'closed', connection: 1, reason: 'late' })).toEqual([]);
  });
});

describe('section 8.1.1: DampPeerOscillations, IdleHoldTimer', () => {
  test('Idle lasts twice as long each time, up to a minute; connections are refused meanwhile', () => {
    const peer = new PlayedPeer().start();
    const holds = Array.from({ length: 9 }, () => {
      peer.receive(peer.connected(), cease);
      expect(peer.state.fsm).toBe('Idle');
      const refused = peer.accepted();
      expect(peer.outputs.at(-1)).toEqual({ kind: 'close', connection: refused });
      const hold = bgpPeer.wakeAt(peer.state) - peer.now;
      peer.wait(hold);
      expect(peer.state.fsm).toBe('Connect');
      return hold;
    });
    for (const [i, hold] of holds.entries()) {
      const full = Math.min(IDLE_HOLD_MS * 2 ** i, 60_000);
      expect(hold).toBeGreaterThanOrEqual(full * JITTER_LEAST);
      expect(hold).toBeLessThanOrEqual(full);
    }
  });

  test('after a session of a minute or more it is short again', () => {
    const peer = new PlayedPeer().start();
    for (let i = 0; i < 4; i++) {
      peer.receive(peer.connected(), cease);
      peer.wait(60_000);
    }
    const id = peer.connected();
    peer.receive(id, openFrom({ holdTimeS: 0 }), KEEPALIVE);
    peer.wait(60_000);
    peer.receive(id, cease);
    expect(bgpPeer.wakeAt(peer.state) - peer.now).toBeLessThanOrEqual(IDLE_HOLD_MS);
  });
});

test('RFC 5492 section 5: no common family: Unsupported Capability, with those that are missed', () => {
  const peer = new PlayedPeer({ families: ['IPv6'] }).start();
  peer.connected();
  const outputs = peer.receive(1, openFrom({ capabilities: capabilities({ families: ['IPv4'] }) }));
  expect(notificationsIn(outputs)).toEqual(['OPEN Message Error/Unsupported Capability']);
  expect(messagesIn(outputs)[0]?.body).toEqual(Uint8Array.of(2, 7, 1, 4, 0, 2, 0, 1));
});
