import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Executor } from '../../../src/agent/guardian/executor.ts';
import { createGuardianLog } from '../../../src/agent/guardian/log.ts';
import type { Resignation } from '../../../src/agent/guardian/will.ts';
import { decodeAdvertisement, encodeAdvertisement, vrrpGroup } from '../../../src/core/vrrp/wire.ts';
import { linkByName } from '../../../src/drivers/linux/links.ts';
import { openVrrpLink } from '../../../src/drivers/linux/vrrp.ts';
import type { VrrpLink, VrrpPacket } from '../../../src/ports/vrrp.ts';
import { createTestLink, netnsProblem, type TestLink } from '../../support/netns.ts';

const problem = netnsProblem();
const ADDRESS = '10.77.0.100';
/** Higher than any that Linux gives (kernel.pid_max). */
const NO_PROCESS = 2 ** 22 + 1;

describe.skipIf(problem)(`the guardian of an active VRRP router${problem ? `: skipped, ${problem}` : ''}`, () => {
  let net: TestLink;
  let ear: VrrpLink;
  const heard: VrrpPacket[] = [];
  beforeAll(() => {
    net = createTestLink();
    ear = net.peer.inside(() => openVrrpLink({ link: linkByName('eth0'), source: net.peer.address4, family: 'IPv4' }));
    ear.onReceive((packet) => void heard.push(packet));
  });
  afterAll(() => {
    ear?.close();
    net?.remove();
  });

  test('says priority 0 for it when its agent is dead, once and to whom it was told', async () => {
    const [from, to] = [net.host.address4, vrrpGroup.IPv4];
    const message = { version: 3, virtualRouterId: 74, priority: 0, maxAdvertiseIntervalMs: 1000, addresses: [ADDRESS] } as const;
    const bytes = encodeAdvertisement(message, { from, to, checksumForm: 'with-pseudo-header' });
    const resignation: Resignation = { interfaceName: 'eth0', family: 'IPv4', from, to, message: Buffer.from(bytes).toString('base64') };
    net.host.inside(() => {
      const { index } = linkByName('eth0');
      const common = { linkIndex: index, addresses: [], gate: null, leaseMs: 100, from, port: 7700, lastWords: [] };
      const executor = new Executor({ ...common, agentPid: NO_PROCESS, resignations: [resignation] }, createGuardianLog('test'));
      executor.execute();
      executor.close();
    });
    await expect.poll(() => heard.length).toBe(1);
    const [packet] = heard as [VrrpPacket];
    expect([packet.from, packet.to, packet.ttl]).toEqual([from, to, 255]);
    expect(decodeAdvertisement(packet.bytes, packet)).toMatchObject({ ok: true, message });
  });
});
