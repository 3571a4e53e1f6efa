/** Stateless direct server return written by hand, until the driver is there. */
import { withPrefixLength } from '../../src/lab/plan.ts';
import { inHost } from './peers.ts';
import type { Subject } from './subject.ts';

const SLOTS = 6;

export const dsr: Subject = {
  name: 'dsr',
  async up(rig, { port, backends }) {
    for (const host of rig.hosts) {
      await inHost(host, ['sysctl', '-qw', 'net.ipv4.conf.all.arp_ignore=1', 'net.ipv4.conf.all.arp_announce=2']);
      await inHost(host, ['ip', 'addr', 'add', `${rig.address}/32`, 'dev', 'lo']);
    }
    await inHost(rig.holder, ['ip', 'addr', 'add', withPrefixLength(rig.address), 'dev', 'eth0']);
    const slots = Array.from({ length: SLOTS }, (_, slot) => ({ slot, host: backends[slot % backends.length] }));
    const map = slots.filter(({ host }) => host !== rig.holder).map(({ slot, host }) => `${slot} : ${host?.mac}`);
    await inHost(
      rig.holder,
      ['nft', '-f', '-'],
      `table netdev bench {
        chain in {
          type filter hook ingress device eth0 priority -150;
          ip daddr ${rig.address} tcp dport ${port} ether saddr set ${rig.holder.mac} ether daddr set jhash ip saddr . tcp sport mod ${SLOTS} seed 0xdeadbeef map { ${map.join(', ')} } fwd to eth0
        }
      }`,
    );
    return { addresses: [rig.address], port };
  },
  async down(rig) {
    await rig.holder.exec(['nft', 'delete', 'table', 'netdev', 'bench']);
    await rig.holder.exec(['ip', 'addr', 'del', withPrefixLength(rig.address), 'dev', 'eth0']);
    for (const host of rig.hosts) {
      await host.exec(['ip', 'addr', 'del', `${rig.address}/32`, 'dev', 'lo']);
      await host.exec(['sysctl', '-qw', 'net.ipv4.conf.all.arp_ignore=0', 'net.ipv4.conf.all.arp_announce=0']);
    }
  },
};
