/** BFD control packets: RFC 5880. */
import { deepEqual, equal, ok } from 'node:assert/strict';
import { declineText } from '../../../src/core/bfd/decline.ts';
import { type ControlPacket, decodeControlPacket, diagnosticText, encodeControlPacket } from '../../../src/core/bfd/packet.ts';
import { createSession, session } from '../../../src/core/bfd/session.ts';
import { lineText } from '../refusal.ts';
import type { Target } from '../target.ts';

const LENGTH = 24;
const packet: ControlPacket = {
  diagnostic: 0,
  state: 'Down',
  poll: false,
  final: false,
  controlPlaneIndependent: false,
  demand: false,
  multiplier: 3,
  myDiscriminator: 7,
  yourDiscriminator: 42,
  desiredMinTxUs: 1_000_000,
  requiredMinRxUs: 50_000,
  requiredMinEchoRxUs: 0,
};
const comingUp = [
  packet,
  { ...packet, state: 'Init' },
  { ...packet, state: 'Up', poll: true },
  { ...packet, state: 'Up', final: true },
] as const;

const bfd: Target = {
  name: 'bfd',
  property:
    'a control packet is discarded with a reason, or it is written back as the same bytes; a session that is fed with what is accepted asks to be woken later than now, is slow unless it is Up, and sends nothing that it would discard',
  seeds: [
    encodeControlPacket(packet),
    Buffer.concat(comingUp.map(encodeControlPacket)),
    encodeControlPacket({ ...packet, state: 'AdminDown', diagnostic: 7 }),
    Uint8Array.of(...encodeControlPacket(packet).with(1, 0x44).with(3, 28), 1, 4, 1, 65),
  ],
  maxLength: 16 * LENGTH,
  run(input) {
    let state = createSession({
      localDiscriminator: 42,
      timers: { transmitMs: 50, receiveMs: 50, multiplier: 3 },
      role: 'active',
      seed: input.length,
    });
    for (let [at, now] = [0, 0]; at < input.length; at += LENGTH) {
      const bytes = input.subarray(at, at + LENGTH);
      const decoded = decodeControlPacket(bytes);
      if (!decoded.ok) {
        lineText(declineText(decoded.reason));
        continue;
      }
      lineText(diagnosticText(decoded.packet.diagnostic));
      if (!decoded.authenticationPresent && bytes[3] === LENGTH) deepEqual(encodeControlPacket(decoded.packet), Uint8Array.from(bytes));
      // A field that the machine does not look at says how long it took to come.
      now += decoded.packet.requiredMinEchoRxUs % 5000;
      for (const step of [{ kind: 'packet', ...decoded } as const, { kind: 'tick' } as const]) {
        const taken = session.step(state, step, now);
        state = taken.state;
        for (const output of taken.outputs) if (output.kind === 'send') checkSent(output.packet);
      }
      ok(session.wakeAt(state) > now, 'the machine is never idle');
    }
  },
};

function checkSent(sent: ControlPacket): void {
  deepEqual(decodeControlPacket(encodeControlPacket(sent)), { ok: true, packet: sent, authenticationPresent: false });
  ok(!(sent.poll && sent.final), 'Poll and Final together');
  if (sent.state !== 'Up') ok(sent.desiredMinTxUs >= 1_000_000, 'fast while not Up');
  equal(sent.myDiscriminator, 42);
}

export const bfdTargets: readonly Target[] = [bfd];
