import { describe, expect, test } from 'vitest';
import { DUAL_STACK, renderAll } from '../../support/rendered.ts';

const PARAMETERS = '/etc/sysctl.d/90-hale.conf';
const MODULES = '/etc/modules-load.d/90-hale.conf';

/** What the file sets, without its comments; undefined when there is none. */
function lines(host: string, path: string, keys: Record<string, unknown> = {}): string[] | undefined {
  return renderAll(keys)
    .get(host)
    ?.get(path)
    ?.text.split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
}

const kubeVip = { endpoint: { address: '10.0.0.100', provider: 'kube-vip' } };
const ARP = ['net.ipv4.conf.all.arp_ignore = 1', 'net.ipv4.conf.all.arp_announce = 2'];

describe.each(['kubeadm', 'k3s', 'rke2'])('nodes of %s', (distribution) => {
  test('pass packets of Pods on', () => {
    for (const host of ['cp1', 'w1']) {
      expect(lines(host, PARAMETERS, { distribution })).toEqual([
        'net.ipv4.ip_forward = 1',
        'net.bridge.bridge-nf-call-iptables = 1',
        'net.bridge.bridge-nf-call-ip6tables = 1',
      ]);
      expect(lines(host, MODULES, { distribution })).toEqual(['overlay', 'br_netfilter']);
    }
  });

  test('pass packets of IPv6 on where Pods have it', () => {
    expect(lines('w1', PARAMETERS, { ...DUAL_STACK, distribution })).toContain('net.ipv6.conf.all.forwarding = 1');
  });
});

test('with systemd there is no kubelet, and hale sees to its address itself: nothing, and no step', () => {
  const rendered = renderAll({ distribution: 'systemd' });
  expect(rendered.get('cp1')?.has(PARAMETERS)).toBe(false);
  expect(rendered.get('_cluster')?.get('STEPS.md')?.text).not.toContain('sysctl');
});

describe('ARP', () => {
  test('hosts that may hold the address answer for it on its interface alone; workers are left as they are', () => {
    expect(lines('cp2', PARAMETERS, kubeVip)).toEqual(expect.arrayContaining(ARP));
    expect(lines('w1', PARAMETERS, kubeVip)).not.toContain(ARP[0]);
  });

  test.each([
    ['BGP', { ...kubeVip, kubeVip: { mode: 'bgp', bgp: { peers: [{ address: '10.0.0.1', as: 65_001 }] } } }],
    ["hale's own agents", {}],
    ['an address of others', { endpoint: { address: '192.0.2.1', provider: 'external' } }],
  ])('not with %s', (_what, keys) => expect(lines('cp1', PARAMETERS, keys)).not.toContain(ARP[0]));

  test('balancers get this and nothing of Kubernetes', () => {
    const keys = {
      endpoint: { address: '10.0.0.100', provider: 'haproxy-keepalived', interface: 'eth0' },
      haproxyKeepalived: {
        placement: 'balancers',
        balancers: [
          { name: 'lb1', address: '10.0.0.41/24' },
          { name: 'lb2', address: '10.0.0.42/24' },
        ],
      },
    };
    expect(lines('lb1', PARAMETERS, keys)).toEqual(ARP);
    expect(lines('lb1', MODULES, keys)).toBeUndefined();
    expect(lines('cp1', PARAMETERS, keys)).not.toContain(ARP[0]);
  });
});

describe('IPVS', () => {
  const ipvs = (kubeProxy: string) => lines('w1', PARAMETERS, { kubernetes: { kubeProxy } })?.filter((line) => line.includes('.vs.'));

  test('its parameters are there only with kube-proxy by ipvs, and the one that depends on the kernel never', () => {
    expect(ipvs('ipvs')).toEqual([
      '-net.ipv4.vs.conntrack = 1',
      '-net.ipv4.vs.expire_nodest_conn = 1',
      '-net.ipv4.vs.expire_quiescent_template = 1',
    ]);
    for (const mode of ['iptables', 'nftables']) expect(ipvs(mode)).toEqual([]);
  });

  test('a parameter comes with the module that has it', () => {
    expect(lines('w1', MODULES, { kubernetes: { kubeProxy: 'ipvs' } })).toContain('ip_vs');
  });

  test('lvscare has its modules on the workers it runs on', () => {
    const keys = {
      endpoint: { address: '10.103.97.2', dnsName: 'api.example.com', provider: 'node-local' },
      nodeLocal: { balancer: 'lvscare' },
    };
    expect(lines('w1', MODULES, keys)).toContain('ip_vs_rr');
    expect(lines('cp1', MODULES, keys)).not.toContain('ip_vs_rr');
  });
});
