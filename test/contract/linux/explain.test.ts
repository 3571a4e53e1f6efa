import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { DatapathPlan } from '../../../src/core/balancer/plan.ts';
import { boottime } from '../../../src/drivers/linux/boottime.ts';
import { openEndpoint } from '../../../src/drivers/linux/endpoint.ts';
import { linkByName } from '../../../src/drivers/linux/links.ts';
import { NatDatapath } from '../../../src/drivers/linux/nat/nat.ts';
import { readNetworkFacts } from '../../../src/drivers/linux/network-facts.ts';
import type { Explanation } from '../../../src/ports/datapath.ts';
import { bpfProblem } from '../../support/bpf.ts';
import { createTestLink, netnsProblem, type TestHost, type TestLink } from '../../support/netns.ts';

const problem = netnsProblem();
const ROOT = join(import.meta.dirname, '../../..');
const VIP = '10.77.0.100';
const quiet = { debug() {}, info() {}, warn() {}, error() {} };

describe.skipIf(problem !== undefined)(`a host explained${problem === undefined ? '' : ` (skipped: ${problem})`}`, () => {
  let net: TestLink;
  let host: TestHost;
  let folder: string;
  const undo: (() => unknown)[] = [];
  const sysctl = (...settings: string[]) => host.run('sysctl', '-qw', ...settings);

  beforeEach(() => {
    net = createTestLink();
    host = net.host;
    folder = mkdtempSync(join(tmpdir(), 'hale-explain-'));
    const example = readFileSync(join(ROOT, 'docs/examples/cluster.yaml'), 'utf8');
    writeFileSync(
      join(folder, 'cluster.yaml'),
      `${example.slice(0, example.indexOf('endpoint:'))}endpoint:
  address: ${VIP}
controlPlane:
  hosts:
    - name: a
      address: 10.77.0.1/24
    - name: b
      address: 10.77.0.2/24
    - name: c
      address: 10.77.0.3/24
`,
    );
  });

  afterEach(async () => {
    for (const step of undo.splice(0).toReversed()) await step();
    rmSync(folder, { recursive: true });
    net.remove();
  });

  function explain(...wrap: string[]): { code: number; parts: Record<string, Explanation>; text: () => string; error: string } {
    const command = [process.execPath, join(ROOT, 'src/cli/main.ts'), 'datapath', 'explain', '--config', join(folder, 'cluster.yaml')];
    const run = (json: string[]) => {
      try {
        return {
          code: 0,
          stdout: execFileSync('ip', ['netns', 'exec', host.namespace, ...wrap, ...command, ...json], { encoding: 'utf8', stdio: 'pipe' }),
          stderr: '',
        };
      } catch (error) {
        const { status, stdout, stderr } = error as { status: number; stdout: string; stderr: string };
        return { code: status, stdout, stderr };
      }
    };
    const { code, stdout, stderr } = run(['--json']);
    const parts = code === 3 ? [] : (JSON.parse(stdout) as { parts: Explanation[] }).parts;
    return { code, parts: Object.fromEntries(parts.map((part) => [part.part, part])), text: () => run([]).stdout, error: stderr };
  }

  test('facts are those of the interface, and change with it', () => {
    const read = () => host.inside(() => readNetworkFacts({ interfaceName: 'eth0', members: ['10.77.0.2'], gated: true }));
    sysctl('net.ipv4.conf.all.rp_filter=0', 'net.ipv4.conf.eth0.rp_filter=0', 'net.ipv4.conf.eth0.forwarding=0');
    expect(read()).toMatchObject({
      rpFilter: 0,
      forwarding: { 4: false, 6: false },
      routes: [{ to: '10.77.0.2', by: 'eth0' }, { by: null }, { by: null }],
      others: [],
      lro: false,
      mtu: 1500,
      deadline: { ingress: false, egress: false },
    });
    host.run('ip', 'link', 'add', 'eth1', 'type', 'veth', 'peer', 'name', 'eth2');
    host.run('ip', 'link', 'set', 'eth1', 'up');
    host.run('ip', 'address', 'add', '10.88.0.1/24', 'dev', 'eth1');
    host.run('ip', 'route', 'add', 'default', 'via', '10.88.0.2');
    sysctl(
      'net.ipv4.conf.all.rp_filter=1',
      'net.ipv4.conf.eth0.forwarding=1',
      'net.ipv6.conf.all.forwarding=1',
      'net.ipv4.conf.eth1.arp_announce=2',
    );
    expect(read()).toMatchObject({
      rpFilter: 1,
      forwarding: { 4: true, 6: true },
      routes: [{ by: 'eth0' }, { to: '192.0.2.1', by: 'eth1' }, {}],
      others: [{ name: 'eth1', arpIgnore: 0, arpAnnounce: 2 }],
    });
  });

  test('a host without hale has nothing in the kernel and nothing in the way', () => {
    const { code, parts, text } = explain();
    expect(code).toBe(0);
    expect(Object.keys(parts)).toEqual(['network']);
    expect(text()).toContain('nothing stands in the way');
  });

  test('gate, deadline and nat are told with what they count, and a firewall with the line that mends it', () => {
    host.inside(() => {
      const endpoint = openEndpoint({
        link: linkByName('eth0'),
        addresses: [VIP],
        neighbors: { announce: () => ({ ok: true }) },
        clock: boottime,
        log: quiet,
        graceMs: 1000,
      });
      endpoint.hold(boottime.now() + 60_000);
      undo.push(() => host.inside(() => endpoint.close()));
      const plan: DatapathPlan = {
        self: 0,
        frontends: [{ address: VIP, port: 6443 }],
        backends: [net.host, net.peer].map(({ address4 }, i) => ({
          name: 'ab'[i] as string,
          address: address4,
          port: 6443,
          state: 'ready',
        })),
      };
      const nat = NatDatapath.open(plan, { interfaceNames: ['eth0'], masquerade: true, log: quiet, onForgotten() {} });
      undo.push(() => host.inside(() => nat.close()));
    });
    const good = explain();
    expect(good.parts.gate?.says.join('\n')).toMatch(
      /10\.77\.0\.100: answered for; the kernel ends that in \d+s\S* unless the lease is renewed; it is on the interface/,
    );
    expect(good.parts.nat?.says.join('\n')).toContain('10.77.0.1:6443 (30 of 60), 10.77.0.2:6443 (30 of 60)');
    expect(good.parts.nat?.counters[0]).toMatchObject({ connections: 0 });
    const weak = bpfProblem() === undefined ? [] : ['tc ingress', 'tc egress'];
    expect({ code: good.code, problems: good.parts.network?.problems.length }).toEqual({
      code: weak.length === 0 ? 0 : 1,
      problems: weak.length,
    });

    host.run('nft', 'table ip filter { chain FORWARD { type filter hook forward priority 0; policy drop; tcp dport 22 accept; }; }');
    if (weak.length === 0) host.run('tc', 'qdisc', 'del', 'dev', 'eth0', 'clsact');
    const bad = explain();
    expect(bad.code).toBe(1);
    expect(bad.parts.network?.problems.map(({ fix }) => fix)).toEqual([
      'systemctl restart hale-agent',
      'systemctl restart hale-agent',
      'iptables -I FORWARD -p tcp -d 10.77.0.2 --dport 6443 -j ACCEPT',
      'iptables -I FORWARD -p tcp -d 10.77.0.3 --dport 6443 -j ACCEPT',
    ]);
    expect(bad.text()).toContain('mend it: iptables -I FORWARD');
  });

  test('without the right to ask the kernel the command says so', () => {
    const { code, error } = explain('setpriv', '--bounding-set=-net_admin', '--inh-caps=-net_admin', '--ambient-caps=-all');
    expect({ code, error }).toEqual({ code: 3, error: expect.stringContaining('[kernel_not_asked]') });
  });
});
