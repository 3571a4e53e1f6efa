import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Claim } from '../../../src/core/neighbor/claim.ts';
import {
  conflict,
  type ConflictInput,
  type ConflictOutput,
  conflictState,
  DEFEND_INTERVAL_MS,
} from '../../../src/core/neighbor/conflict.ts';

const address = '10.0.0.100';
const own = '02:00:00:00:00:01';
const member = '02:00:00:00:00:02';
const stray = '02:66:66:66:66:66';
const claim = (mac: string, kind: Claim['kind'] = 'announcement'): ConflictInput => ({ kind: 'claim', claim: { address, mac, kind } });
const ignored = (reason: string) => [{ kind: 'ignored', reason }];

/** Outputs of each input in turn; times in milliseconds. */
function play(...script: (readonly [now: number, input: ConflictInput])[]): ConflictOutput[][] {
  let state = conflictState({ address, memberMacs: [own, member] });
  return script.map(([now, input]) => {
    const step = conflict.step(state, input, now);
    state = step.state;
    return step.outputs;
  });
}

test('probing: an answer, an announcement or a probe by a foreign MAC means occupied (RFC 5227 section 2.1.1)', () => {
  const occupied = [{ kind: 'occupied', address, mac: stray }];
  const heard = play(
    [0, { kind: 'probe' }],
    [1, claim(stray, 'answer')],
    [2, claim(stray)],
    [3, claim(stray, 'probe')],
    [4, claim(member, 'answer')],
  );
  expect(heard.slice(1)).toEqual([occupied, occupied, occupied, ignored('member')]);
});

test('holding: the conflict is reported each time and defended once per DEFEND_INTERVAL (RFC 5227 section 2.4 (c))', () => {
  const told = { kind: 'conflict', address, mac: stray };
  const announce = { kind: 'announce', address };
  const heard = play(
    [0, { kind: 'hold' }],
    [5, claim(stray)],
    [6, claim(stray)],
    [5 + DEFEND_INTERVAL_MS - 1, claim(stray)],
    [5 + DEFEND_INTERVAL_MS, claim(stray)],
  );
  expect(heard.slice(1)).toEqual([[told, announce], [told], [told], [told, announce]]);
});

test('declines and says why', () => {
  const elsewhere: ConflictInput = { kind: 'claim', claim: { address: '10.0.0.7', mac: stray, kind: 'answer' } };
  const heard = play(
    [0, claim(stray)],
    [1, { kind: 'hold' }],
    [2, elsewhere],
    [3, claim(own)],
    [4, claim(member)],
    [5, claim(stray, 'probe')],
  );
  expect(heard[0]).toEqual(ignored('not_probing_nor_holding'));
  expect(heard.slice(2)).toEqual([ignored('other_address'), ignored('member'), ignored('member'), ignored('probe_while_holding')]);
  expect(play([0, { kind: 'hold' }], [1, { kind: 'release' }], [2, claim(stray)])[2]).toEqual(ignored('not_probing_nor_holding'));
});

test('however often the address is taken, released and claimed, two defences are never closer than DEFEND_INTERVAL', () => {
  const inputs = fc.constantFrom<ConflictInput>(
    { kind: 'probe' },
    { kind: 'hold' },
    { kind: 'release' },
    claim(stray),
    claim(stray, 'answer'),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(4000), inputs), { maxLength: 60 }), (steps) => {
      let now = 0;
      const times = play(...steps.map(([wait, input]) => [(now += wait), input] as const)).map((outputs, i) => [i, outputs] as const);
      now = 0;
      const at = steps.map(([wait]) => (now += wait));
      const defended = times.filter(([, outputs]) => outputs.some(({ kind }) => kind === 'announce')).map(([i]) => at[i] as number);
      for (let i = 1; i < defended.length; i++) {
        expect((defended[i] as number) - (defended[i - 1] as number)).toBeGreaterThanOrEqual(DEFEND_INTERVAL_MS);
      }
    }),
  );
});
