import { describe, expect, test } from 'vitest';
import { IDLE_HOLD_MS } from '../../../src/core/bgp/peer-state.ts';
import { kindsOf, notificationsIn, PlayedPeer } from '../../support/bgp-peer.ts';

describe('RFC 9384, RFC 5882 section 4: BFD', () => {
  test('down after up ends the session with Cease/BFD Down', () => {
    const peer = new PlayedPeer();
    peer.establish();
    peer.input({ kind: 'bfd', state: 'up' });
    const outputs = peer.input({ kind: 'bfd', state: 'down' });
    expect(notificationsIn(outputs)).toEqual(['Cease/BFD Down']);
    expect([peer.state.fsm, peer.state.lastError?.text]).toEqual(['Idle', 'Cease/BFD Down']);
  });

  test('down without up before does nothing: the peer may not run BFD', () => {
    const peer = new PlayedPeer();
    peer.establish();
    expect(peer.input({ kind: 'bfd', state: 'down' })).toEqual([]);
    expect(peer.state.fsm).toBe('Established');
  });

  test('up ends the wait in Idle', () => {
    const peer = new PlayedPeer();
    peer.establish();
    peer.input({ kind: 'bfd', state: 'up' });
    peer.input({ kind: 'bfd', state: 'down' });
    expect(kindsOf(peer.input({ kind: 'bfd', state: 'up' }))).toEqual(['connect']);
    expect(peer.state.fsm).toBe('Connect');
  });

  test('reconnecting does not wait for it', () => {
    const peer = new PlayedPeer();
    peer.establish();
    peer.input({ kind: 'bfd', state: 'up' });
    peer.input({ kind: 'bfd', state: 'down' });
    peer.wait(IDLE_HOLD_MS);
    expect(peer.state.fsm).toBe('Connect');
  });
});
