import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { arpProbe, parseArp } from '../../src/core/neighbor/arp.ts';
import { ETHERTYPE_ARP } from '../../src/core/neighbor/ethernet.ts';
import { boottime } from '../../src/drivers/linux/boottime.ts';
import { linkByName } from '../../src/drivers/linux/links.ts';
import { openPacketSocket } from '../../src/drivers/linux/packet.ts';
import { netnsProblem } from '../support/netns.ts';
import { programProblem } from '../support/vrrp-peers.ts';
import { type Manner, shared, VrrpStage } from '../support/vrrp-stage.ts';

const problem = netnsProblem() ?? programProblem('keepalived');
const manner: Manner = { version: 3, family: 'IPv4' };
const INTERVAL_MS = 200;
const ASK_MS = 5;

describe.skipIf(problem)(`who takes the place of whom${problem ? `: skipped, ${problem}` : ''}`, () => {
  let stage: VrrpStage;

  beforeEach(() => {
    stage = new VrrpStage();
  });
  afterEach(() => stage?.close());

  /** As many intervals as a take-over needs, counted by what the Active sends. */
  const intervals = async (count: number): Promise<void> => {
    const end = boottime.now() + count * INTERVAL_MS;
    await stage.until(() => expect(boottime.now()).toBeGreaterThan(end));
  };

  test('hale with preempt off leaves a lower keepalived in its place, unless that is not fit', async () => {
    stage.startPeer(manner, 80);
    await stage.untilHeldBy('keepalived');
    const patient = stage.startHale(manner, 90, { preempt: false });
    await stage.untilState(patient, 'became-backup');
    await intervals(8);
    expect(stage.holders('IPv4')).toEqual(['keepalived']);
    await patient.kill();
    const fit = stage.startHale(manner, 90, { preempt: false, unfitBelow: 85 });
    await stage.untilState(fit, 'became-active preempted');
    await stage.untilHeldBy('hale');
  });

  test('keepalived with nopreempt leaves a lower hale in its place, and without takes it', async () => {
    const hale = stage.startHale(manner, 90);
    await stage.untilHeldBy('hale');
    stage.startPeer(manner, 100, 'nopreempt');
    await stage.until(() => expect(stage.peer.log).toContain('Entering BACKUP STATE'));
    await intervals(8);
    expect(stage.holders('IPv4')).toEqual(['hale']);
    await stage.peer.stop();
    stage.startPeer(manner, 100);
    await stage.untilState(hale, 'became-backup');
    await stage.untilHeldBy('keepalived');
  });

  test('a priority that sinks at run time hands the address over, 0 at once', async () => {
    const hale = stage.startHale(manner, 90);
    await stage.untilHeldBy('hale');
    stage.startPeer(manner, 80);
    await stage.until(() => expect(stage.peer.log).toContain('Entering BACKUP STATE'));
    hale.say('priority 70');
    await stage.untilHeldBy('keepalived');
    hale.say('priority 90');
    await stage.untilHeldBy('hale');
    hale.say('priority 0');
    await stage.untilHeldBy('keepalived');
    expect(stage.peer.log).toContain('priority 0 advertisement');
    expect(hale.state).toBe('lost unfit');
  });

  test('hale that is stopped has ceased to answer before keepalived begins, and listens first when it goes on', async () => {
    const asked = askWithoutEnd(stage);
    try {
      const hale = stage.startHale(manner, 90);
      await stage.untilHeldBy('hale');
      stage.startPeer(manner, 80);
      await stage.until(() => expect(stage.peer.log).toContain('Entering BACKUP STATE'));
      hale.freeze();
      await stage.until(() => expect(asked.answers.at(-1)?.mac).toBe(stage.them.mac));
      await intervals(2);
      const since = boottime.now();
      hale.thaw();
      await stage.until(() => expect(hale.events).toContainEqual({ kind: 'lost', reason: 'late' }));
      await stage.until(() => expect(asked.answers.at(-1)?.mac).toBe(stage.us.mac));
      const macs = asked.answers.map(({ mac }) => mac);
      const firstOfTheirs = macs.indexOf(stage.them.mac);
      expect(firstOfTheirs).toBeGreaterThan(0);
      // Ours, theirs, and ours again only after it has listened for three intervals.
      expect(new Set(macs.slice(0, firstOfTheirs))).toEqual(new Set([stage.us.mac]));
      const back = asked.answers.find(({ mac }, i) => i > firstOfTheirs && mac === stage.us.mac);
      expect(back?.at).toBeGreaterThan(since + 3 * INTERVAL_MS);
    } finally {
      asked.close();
    }
  });
});

/** Asks by ARP whose the address is, and keeps who answered when. */
function askWithoutEnd(stage: VrrpStage): { answers: { at: number; mac: string }[]; close(): void } {
  const answers: { at: number; mac: string }[] = [];
  const onFrame = (frame: Uint8Array): void => {
    const arp = parseArp(frame);
    if (!arp.ok || arp.value.operation !== 'reply' || arp.value.targetAddress !== '0.0.0.0') return;
    if (arp.value.senderAddress === shared.IPv4) answers.push({ at: boottime.now(), mac: arp.value.senderMac });
  };
  const socket = stage.station.inside(() => openPacketSocket({ link: linkByName('eth0'), etherType: ETHERTYPE_ARP, onFrame }));
  const asking = setInterval(() => socket.send(arpProbe({ mac: stage.station.mac, address: shared.IPv4 })), ASK_MS);
  return {
    answers,
    close() {
      clearInterval(asking);
      socket.close();
    },
  };
}
