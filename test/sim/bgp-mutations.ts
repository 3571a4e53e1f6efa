/** Bugs to plant into the BGP speaker, each a change of one of its files, and what the monitors then say. */
import type { BgpViolationKind } from '../../src/sim/bgp/monitor.ts';

export interface BgpMutation {
  /** What the broken code does. */
  name: string;
  file: string;
  changes: readonly { find: string; replace: string }[];
  kind: BgpViolationKind;
}

const change = (find: string, replace: string) => ({ find, replace });
const connection = 'src/core/bgp/connection.ts';
const receive = 'src/core/bgp/receive.ts';
const advertise = 'src/core/bgp/advertise.ts';

export const bgpMutations: readonly BgpMutation[] = [
  {
    name: 'a collision is not resolved',
    file: receive,
    changes: [
      change(
        'const loser = loserOf(state, connection, read.value);',
        'const loser = read.value.asn < 0 ? loserOf(state, connection, read.value) : undefined;',
      ),
    ],
    kind: 'two-sessions',
  },
  {
    name: 'what an ended session was told counts as told to the next one',
    file: connection,
    changes: [change('{ announced: new Map(), unannounced: [], endOfRibSent: false }', '{ unannounced: [], endOfRibSent: false }')],
    kind: 'not-converged',
  },
  {
    name: 'the hold timer runs for twice the hold time',
    file: receive,
    changes: [change('connection.holdAt = now + holdTimeMs', 'connection.holdAt = now + 2 * holdTimeMs')],
    kind: 'silent-session',
  },
  {
    name: 'keepalives are sent at twice the hold time',
    file: connection,
    changes: [change('jittered(turn, keepaliveMs)', 'jittered(turn, keepaliveMs * 6)')],
    kind: 'lost-in-calm',
  },
  {
    name: 'a session that has ended leaves its connection open',
    file: connection,
    changes: [change("if (!('lost' in ending && ending.closed)) outputs.push", "if ('notified' in ending) outputs.push")],
    kind: 'route-remains',
  },
  {
    name: 'a withdrawn route is not withdrawn',
    file: advertise,
    changes: [change('if (!wanted.has(prefix)) put(', "if (!wanted.has(prefix) && prefix === '') put(")],
    kind: 'not-converged',
  },
  {
    name: 'no connection is tried again after one on which the peer said nothing',
    file: connection,
    changes: [change("connection.state === 'OpenSent') retryLater(turn);", "connection.state === 'OpenSent') state.connecting = false;")],
    kind: 'not-converged',
  },
  {
    name: 'End-of-RIB is sent once, not once a session',
    file: connection,
    changes: [change('unannounced: [], endOfRibSent: false', 'unannounced: []')],
    kind: 'not-converged',
  },
];
