import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { DUAL_STACK, renderAll, textOf } from '../../support/rendered.ts';

const NAME = 'api.example.com';
const endpoint = (keys: object = {}) => ({ provider: 'node-local', address: '10.103.97.2', dnsName: NAME, ...keys });
const render = (balancer: string, keys: Record<string, unknown> = {}) =>
  renderAll({ endpoint: endpoint(), nodeLocal: { balancer }, ...keys });
const meaning = (text: string) => text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
const paths = (rendered: ReturnType<typeof renderAll>, host: string) => [...(rendered.get(host)?.keys() ?? [])];

describe('what the name of the endpoint stands for', () => {
  test.each([
    ['lvscare', '10.103.97.2'],
    ['nginx', '127.0.0.1'],
    ['haproxy', '127.0.0.1'],
  ])('with %s: %s on workers, itself on a control-plane host, the first host until there is either', (balancer, own) => {
    const rendered = render(balancer);
    const hosts = (host: string, path = '/etc/hale/hosts') => meaning(textOf(rendered, host, path));
    expect(hosts('w1')).toEqual([`${own} ${NAME}`]);
    expect(hosts('cp2')).toEqual([`10.0.0.12 ${NAME}`]);
    expect(hosts('w1', '/etc/hale/hosts.join')).toEqual([`10.0.0.11 ${NAME}`]);
    expect(hosts('cp2', '/etc/hale/hosts.join')).toEqual([`10.0.0.11 ${NAME}`]);
    expect(paths(rendered, 'cp1')).not.toContain('/etc/hale/hosts.join');
  });

  test('both loopback addresses with both families', () => {
    const address = ['10.103.97.2', 'fd99::2'];
    const rendered = render('nginx', { ...DUAL_STACK, endpoint: endpoint({ address }) });
    expect(meaning(textOf(rendered, 'w1', '/etc/hale/hosts'))).toEqual([`127.0.0.1 ${NAME}`, `::1 ${NAME}`]);
    expect(textOf(rendered, 'w1', '/etc/hale/api-proxy/nginx.conf')).toMatch(/listen 127\.0\.0\.1:6443;\n +listen \[::1\]:6443;/);
  });
});

describe('a worker', () => {
  test('can join before the balancer runs that kubelet is to start', () => {
    const steps = textOf(render('nginx'), '_cluster', 'STEPS.md');
    const [before, after] = [
      steps.indexOf('cat /etc/hale/hosts.join >>/etc/hosts', steps.indexOf('## Worker nodes')),
      steps.indexOf('--resolve'),
    ];
    expect(before).toBeGreaterThan(0);
    expect(after).toBeGreaterThan(before);
  });

  test('with lvscare has the rules before it joins: the same as its Pod keeps', () => {
    const rendered = render('lvscare');
    const { args, command } = parse(textOf(rendered, 'w1', '/etc/kubernetes/manifests/kube-lvscare.yaml')).spec.containers[0];
    expect(command).toEqual(['/usr/bin/lvscare']);
    expect(args).toContain('--health-schem=https');
    expect(args.filter((word: string) => word.startsWith('--rs='))).toEqual([
      '--rs=10.0.0.11:6443',
      '--rs=10.0.0.12:6443',
      '--rs=10.0.0.13:6443',
    ]);
    expect(textOf(rendered, '_cluster', 'STEPS.md')).toContain(`lvscare ${args.join(' ')} --run-once\n`);
  });

  test.each(['nginx', 'haproxy'])('%s listens for this node alone, without rights that it does not need', (balancer) => {
    const rendered = render(balancer);
    const { containers } = parse(textOf(rendered, 'w1', '/etc/kubernetes/manifests/api-proxy.yaml')).spec;
    expect(containers[0].securityContext.capabilities.drop).toEqual(['ALL']);
    const config = textOf(rendered, 'w1', `/etc/hale/api-proxy/${balancer}.${balancer === 'nginx' ? 'conf' : 'cfg'}`);
    expect(config).toContain('127.0.0.1:6443');
    expect(config).not.toMatch(/0\.0\.0\.0|\[::\]/);
  });

  test('with hale has its agent, and the control plane its own', () => {
    const rendered = render('hale', { endpoint: endpoint({ address: '10.0.0.100' }) });
    expect(textOf(rendered, 'w1', '/etc/systemd/system/hale-agent.service')).toContain('--node');
    expect(textOf(rendered, 'cp1', '/etc/systemd/system/hale-agent.service')).not.toContain('--node');
    expect(paths(rendered, 'w1').filter((path) => path.includes('manifests'))).toEqual([]);
  });
});

test('external: nothing is rendered, and STEPS.md says what must be true of the balancer', () => {
  const rendered = renderAll({ endpoint: { provider: 'external', address: '192.0.2.10' } });
  expect(paths(rendered, 'cp1').filter((path) => /haproxy|keepalived|kube-vip|hosts|agent/.test(path))).toEqual([]);
  expect(textOf(rendered, '_cluster', 'STEPS.md')).toContain(
    'It passes TCP port 6443 of 192.0.2.10 to 10.0.0.11:6443, 10.0.0.12:6443, 10.0.0.13:6443',
  );
});
