import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { virtualRouterId } from '../../../src/core/cluster/router-id.ts';
import { DUAL_STACK, hosts, IPV6, renderAll, SECRETS, textOf } from '../../support/rendered.ts';

const endpoint = (keys: object = {}) => ({ provider: 'haproxy-keepalived', address: '10.0.0.100', port: 8443, interface: 'eth0', ...keys });
const render = (keys: Record<string, unknown> = {}) => renderAll({ endpoint: endpoint(), ...keys });
const BALANCERS = {
  endpoint: endpoint({ port: 6443 }),
  haproxyKeepalived: { placement: 'balancers', balancers: hosts('lb', ['10.0.0.31/24', '10.0.0.32/24']) },
};
const conf = (rendered: ReturnType<typeof renderAll>, host: string) => textOf(rendered, host, '/etc/keepalived/keepalived.conf');
const cfg = (rendered: ReturnType<typeof renderAll>, host: string) => textOf(rendered, host, '/etc/haproxy/haproxy.cfg');
const numbers = (text: string, pattern: RegExp) => [...text.matchAll(pattern)].map(([, n]) => Number(n));

describe('the number of the virtual router', () => {
  const of = (name: string) => virtualRouterId({ name, chosen: undefined });

  test('is one that VRRP has, never 51, and spreads over all others', () => {
    const seen = new Set(Array.from({ length: 20_000 }, (_, i) => of(`cluster-${i}`)));
    expect([Math.min(...seen), Math.max(...seen), seen.size, seen.has(51)]).toEqual([1, 255, 254, false]);
  });

  test('stays the same in every later version: another one would be another virtual router', () => {
    expect([of('prod'), of('staging')]).toEqual([74, 56]);
  });

  test('may be given, even as 51', () => {
    expect(conf(render({ haproxyKeepalived: { virtualRouterId: 51 } }), 'cp1')).toContain('virtual_router_id 51\n');
  });
});

describe('keepalived', () => {
  test('no two hosts have one priority, and none begins as MASTER or takes the address back', () => {
    const seven = {
      controlPlane: {
        hosts: hosts(
          'cp',
          Array.from({ length: 7 }, (_, i) => `10.0.0.${11 + i}/24`),
        ),
      },
    };
    const rendered = render(seven);
    const texts = Array.from({ length: 7 }, (_, i) => conf(rendered, `cp${i + 1}`));
    const priorities = texts.flatMap((text) => numbers(text, /^ {4}priority (\d+)$/gm));
    expect(new Set(priorities).size).toBe(7);
    expect(priorities.every((priority) => priority > 0 && priority < 255)).toBe(true);
    for (const text of texts) {
      expect(text).toMatch(/state BACKUP\n {4}nopreempt\n/);
      expect(text).not.toMatch(/auth_pass|vrrp_strict|killall|track_process \{/);
    }
  });

  test('a failing check takes a host out of the election: with nopreempt a weight would leave the address on it', () => {
    expect(numbers(conf(render(), 'cp1'), /^ +weight (-?\d+)$/gm)).toEqual([0]);
  });

  test('each host names all others as peers, and itself as the source', () => {
    const text = conf(render(), 'cp2');
    expect(text).toMatch(/unicast_src_ip 10\.0\.0\.12\n {4}unicast_peer \{\n +10\.0\.0\.11\n +10\.0\.0\.13\n {4}\}/);
    expect(conf(render({ controlPlane: { hosts: hosts('cp', ['10.0.0.11/24']) } }), 'cp1')).not.toContain('unicast');
  });

  test('with both families one election moves both addresses', () => {
    const text = conf(render({ ...DUAL_STACK, endpoint: endpoint(DUAL_STACK.endpoint) }), 'cp1');
    expect(text.match(/^vrrp_instance/gm)).toHaveLength(1);
    expect(text).toMatch(/virtual_ipaddress \{\n +10\.0\.0\.100\/32 dev eth0\n/);
    expect(text).toMatch(/virtual_ipaddress_excluded \{\n +fd00::100\/128 dev eth0\n/);
  });

  test('with IPv6 alone its peers are IPv6 too', () => {
    const text = conf(render({ ...IPV6, endpoint: endpoint(IPV6.endpoint) }), 'cp1');
    expect(text).toMatch(/unicast_src_ip fd00::11\n/);
    expect(text).toContain('fd00::100/128 dev eth0');
  });

  test('the interval is in seconds', () => {
    expect(conf(render({ haproxyKeepalived: { advertisementIntervalMs: 250 } }), 'cp1')).toContain('advert_int 0.25\n');
  });
});

describe('the check', () => {
  const check = (keys: Record<string, unknown>, host: string) => textOf(render(keys), host, '/etc/keepalived/check-api');

  test('verifies certificates, ends by itself, and never asks the shared address', () => {
    const text = check({}, 'cp1');
    expect(text).not.toMatch(/(^|\s)(-\w*k\w*|--insecure)\b/m);
    expect(text).not.toContain('10.0.0.100');
    for (const call of text.replaceAll('\\\n', '').match(/^ *curl .*/gm) ?? []) expect(call).toContain('--max-time');
    expect(text).toContain('for address in 10.0.0.12 10.0.0.13; do');
  });

  test('writes IPv6 addresses as curl reads them', () => {
    expect(check({ ...IPV6, endpoint: endpoint(IPV6.endpoint) }, 'cp1')).toContain('for address in [fd00::12] [fd00::13]; do');
  });

  test('is for root alone to change', () => {
    const file = render().get('cp1')?.get('/etc/keepalived/check-api');
    expect([file?.mode, file?.owner ?? 'root:root']).toEqual([0o755, 'root:root']);
  });
});

describe('HAProxy', () => {
  test('every API server is behind it, each checked by its certificate', () => {
    const text = cfg(render({ apiserver: { port: 7443 }, endpoint: endpoint() }), 'cp3');
    expect(text.match(/^ {4}server .*$/gm)).toEqual(['11', '12', '13'].map((n, i) => `    server cp${i + 1} 10.0.0.${n}:7443`));
    expect(text).not.toContain('verify none');
  });

  test('clients cannot take the connections that its own health needs', () => {
    const [all, clients] = numbers(cfg(render(), 'cp1'), /^ {4}maxconn (\d+)$/gm) as [number, number];
    expect(clients).toBeLessThan(all);
  });

  test('no name is that of a frontend and of a backend, which HAProxy 3.3 refuses', () => {
    const names = [...cfg(render({ ...BALANCERS, distribution: 'rke2' }), 'lb1').matchAll(/^(?:frontend|backend) (\S+)/gm)].map(
      ([, name]) => name,
    );
    expect(names).toHaveLength(5);
    expect(new Set(names).size).toBe(5);
  });

  test('beside an API server on the same port it takes only the shared address', () => {
    const text = cfg(render({ endpoint: endpoint({ port: 6443 }), apiserver: { bind: 'host' } }), 'cp1');
    expect(text.match(/^ {4}bind .*$/gm)).toEqual(['    bind 10.0.0.100:6443 transparent', '    bind 127.0.0.1:8404']);
  });

  test('listens in the families of the endpoint', () => {
    const binds = (keys: Record<string, unknown>) => cfg(render(keys), 'cp1').match(/(?<=^ {4}bind ).*8443.*$/gm);
    expect(binds({ ...DUAL_STACK, endpoint: endpoint(DUAL_STACK.endpoint) })).toEqual(['0.0.0.0:8443', '[::]:8443 v6only']);
    expect(binds({ ...IPV6, endpoint: endpoint(IPV6.endpoint) })).toEqual(['[::]:8443 v6only']);
  });

  test('passes registration of RKE2 on where no server has the port itself', () => {
    expect(cfg(render({ ...BALANCERS, distribution: 'rke2' }), 'lb1')).toContain('server cp1 10.0.0.11:9345');
    expect(cfg(render({ distribution: 'rke2' }), 'cp1')).not.toContain('9345');
  });
});

describe('where what is', () => {
  test('balancers have it all, and control-plane hosts nothing of it', () => {
    const rendered = render(BALANCERS);
    const ours = (host: string) => [...(rendered.get(host)?.keys() ?? [])].filter((path) => /haproxy|keepalived/.test(path));
    expect(ours('lb1')).toHaveLength(5);
    expect([ours('cp1'), ours('w1')]).toEqual([[], []]);
    expect(conf(rendered, 'lb2')).toMatch(/unicast_peer \{\n +10\.0\.0\.31\n {4}\}/);
  });

  test('static Pods: kubelet restarts HAProxy when it hangs, not when no API server is ready', () => {
    const pod = (name: string, keys = {}) =>
      parse(textOf(render({ haproxyKeepalived: { placement: 'static-pods' }, ...keys }), 'cp1', `/etc/kubernetes/manifests/${name}.yaml`))
        .spec.containers[0];
    expect([pod('haproxy').livenessProbe.httpGet.path, pod('haproxy').readinessProbe.httpGet.path]).toEqual(['/live', '/healthz']);
    expect(pod('haproxy').securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    });
    expect(pod('keepalived').securityContext.capabilities.drop).toEqual(['ALL']);
    const shared = { endpoint: endpoint({ port: 443 }) };
    expect(pod('haproxy', shared).securityContext.capabilities.add).toEqual(['NET_BIND_SERVICE']);
    expect(pod('haproxy', shared).securityContext.runAsUser).toBe(0);
  });

  test('no file has a secret of the cluster', () => {
    for (const place of [{}, { haproxyKeepalived: { placement: 'static-pods' } }]) {
      const files = [...(render(place).get('cp1')?.values() ?? [])].filter(({ path }) => /haproxy|keepalived/.test(path));
      for (const secret of [SECRETS.bootstrapToken, SECRETS.certificateKey, SECRETS.joinToken, SECRETS.etcdToken])
        for (const { text } of files) expect(text).not.toContain(secret);
    }
  });

  test('the authority is made before HAProxy, and HAProxy runs before kubeadm init', () => {
    const steps = textOf(render(), '_cluster', 'STEPS.md');
    const at = [
      'kubeadm init phase certs ca',
      'cat >/etc/haproxy/kubernetes-ca.crt',
      'systemctl restart haproxy',
      'kubeadm init --config',
    ].map((text) => steps.indexOf(text));
    expect(at).not.toContain(-1);
    expect(at).toEqual(at.toSorted((a, b) => a - b));
  });
});
