import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { readCluster } from '../../../src/core/cluster/read.ts';
import { questions } from '../../../src/core/init/questions.ts';
import { HALE } from '../../support/hale.ts';

let dir: string;
let file: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'hale-init-'));
  file = join(dir, 'cluster.yaml');
});

afterEach(() => rmSync(dir, { recursive: true }));

const run = (...words: string[]) => spawnSync(HALE, ['init', file, ...words], { encoding: 'utf8' });
const written = () => readFileSync(file, 'utf8');
const HOSTS = 'cp1=10.0.0.11/24@a cp2=10.0.0.12/24@b cp3=10.0.0.13/24@c';
const NEEDED = ['--yes', '--hosts', HOSTS, '--address', '10.0.0.100'];

describe('by options', () => {
  test('makes a description that is good, with what every key means', () => {
    expect(run(...NEEDED).status).toBe(0);
    expect(readCluster(written(), file)).toMatchObject({
      ok: true,
      cluster: { endpoint: { addresses: ['10.0.0.100'], provider: 'hale' } },
    });
    expect((parse(written()) as { controlPlane: { hosts: unknown[] } }).controlPlane.hosts[2]).toEqual({
      name: 'cp3',
      address: '10.0.0.13/24',
      zone: 'c',
    });
    for (const line of written().matchAll(/^( *)(?:- )?[a-zA-Z]+:/gm)) expect(line[1]?.length).toBeLessThan(7);
    expect(written()).toContain('# TCP port that clients connect to.');
  });

  test.each([
    [['--provider', 'haproxy-keepalived'], { endpoint: { port: 8443, interface: 'eth0' } }],
    [
      ['--provider', 'haproxy-keepalived', '--placement', 'balancers', '--balancers', 'lb1=10.0.0.31/24 lb2=10.0.0.32/24'],
      { endpoint: { port: 6443 } },
    ],
    [
      ['--provider', 'kube-vip', '--kube-vip-mode', 'bgp', '--peers', '10.0.0.1=65001'],
      { kubeVip: { bgp: { peers: [{ address: '10.0.0.1', as: 65_001 }] } } },
    ],
    [['--provider', 'node-local', '--balancer', 'nginx', '--dns-name', 'api.prod.example.com'], { nodeLocal: { balancer: 'nginx' } }],
    [
      ['--etcd', 'external', '--etcd-endpoints', 'https://10.0.0.21:2379'],
      { etcd: { topology: 'external', endpoints: ['https://10.0.0.21:2379'] } },
    ],
    [['--distribution', 'k3s', '--cni', 'cilium', '--kube-proxy', 'none'], { distribution: 'k3s' }],
  ])('%j is good too', (words, wanted) => {
    expect(run(...NEEDED, ...words).stdout).toContain('was written.\n');
    expect(readCluster(written(), file)).toMatchObject({ ok: true, cluster: wanted });
  });

  test('tells all that is missing or wrong at once, and writes nothing', () => {
    const { status, stderr } = run('--yes', '--hosts', 'cp1', '--provider', 'traefik', '--peers', '10.0.0.1=1');
    expect(status).toBe(2);
    expect(stderr).toContain('--hosts "cp1": write hosts such as cp1=10.0.0.11/24@a, separated by blanks, instead of "cp1"');
    expect(stderr).toContain('--provider "traefik": write hale, haproxy-keepalived, kube-vip, node-local or external');
    expect(stderr).toContain('--peers 10.0.0.1=1: does not go with the other options');
    expect(stderr).toContain('--address is missing');
    expect(existsSync(file)).toBe(false);
  });

  test('what only goes wrong together is written, and told with its line', () => {
    const { status, stdout } = run('--yes', '--hosts', HOSTS, '--address', '10.9.0.100');
    expect(status).toBe(1);
    expect(stdout).toMatch(/cluster\.yaml:\d+:\d+: the endpoint address 10\.9\.0\.100 lies in no host's subnet/);
  });

  test('leaves a file that is there alone without --force', () => {
    writeFileSync(file, 'mine\n');
    expect(run(...NEEDED)).toMatchObject({ status: 2, stderr: expect.stringContaining('is there already') as string });
    expect(written()).toBe('mine\n');
    expect(run(...NEEDED, '--force').status).toBe(0);
  });

  test('without a terminal and without --yes takes no default silently for what has none', () => {
    expect(run().stderr).toContain('--hosts is missing');
  });
});

/** With a terminal, on which these lines are typed. */
function typed(...lines: string[]) {
  const command = [HALE, 'init', file].map((word) => `'${word}'`).join(' ');
  return spawnSync('script', ['-qec', command, '/dev/null'], {
    encoding: 'utf8',
    input: lines.map((line) => `${line}\n`).join(''),
    timeout: 20_000,
  });
}

describe('on a terminal', () => {
  test('asks, takes empty lines for defaults, and asks again with the reason after a wrong answer', () => {
    const { stdout, status } = typed('', 'k8s', 'kubeadm', HOSTS, '', '10.0.0.300', '10.0.0.100', '', '', '', '', '', '', '');
    expect(stdout).toContain('Write kubeadm, k3s, rke2 or systemd.');
    expect(stdout).toContain('Write an IPv4 or IPv6 address such as 10.0.0.100.');
    expect(stdout).toContain('was written.');
    expect(status).toBe(0);
    expect(readCluster(written(), file)).toMatchObject({ ok: true, cluster: { name: 'prod' } });
  });

  test('Ctrl-D in the middle leaves nothing', () => {
    const { stdout } = typed('prod', '\u0004');
    expect(stdout).toContain('nothing was written');
    expect(existsSync(file)).toBe(false);
  });
});

test('every question says what it wants when the answer is nonsense', () => {
  for (const question of questions) {
    const parsed = question.parse('no such thing/');
    expect([question.flag, parsed.ok]).toEqual([question.flag, false]);
    if (!parsed.ok) expect(parsed.expects).not.toMatch(/^$|undefined|Invalid/);
  }
});
