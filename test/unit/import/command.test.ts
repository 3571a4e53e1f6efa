import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { fencesIn } from './fences.ts';
import { HALE } from '../../support/hale.ts';

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'hale-import-'));
});

afterEach(() => rmSync(dir, { recursive: true }));

function hale(...words: string[]) {
  const { status, stdout, stderr } = spawnSync(HALE, words, { encoding: 'utf8', cwd: dir });
  return { status, stdout, stderr };
}

function put(path: string, text: string): void {
  mkdirSync(dirname(join(dir, path)), { recursive: true });
  writeFileSync(join(dir, path), text);
}

/** A whole cluster, rendered by hale itself into tree/. */
function render(): void {
  put(
    'old.yaml',
    `apiVersion: hale.dev/v1alpha1
kind: Cluster
name: prod
endpoint: {provider: haproxy-keepalived, address: 10.0.0.100, port: 8443, interface: eth0}
controlPlane: {hosts: [{name: cp1, address: 10.0.0.11/24}, {name: cp2, address: 10.0.0.12/24}, {name: cp3, address: 10.0.0.13/24}]}
`,
  );
  expect(hale('render', 'old.yaml', '--out', 'tree').stderr).toBe('');
}

describe('hale import', () => {
  test('writes a file that validate takes, and only then ends with 0', () => {
    render();
    const { status, stdout, stderr } = hale('import', 'tree', '--out', 'cluster.yaml');
    expect([status, stdout]).toEqual([0, '']);
    expect(stderr).toMatch(/^guess: prefix lengths of controlPlane\.hosts: \/24/);
    expect(readFileSync(join(dir, 'cluster.yaml'), 'utf8')).toContain('  address: 10.0.0.100  # from cp1/etc/keepalived/keepalived.conf:');
    expect(hale('validate', 'cluster.yaml')).toMatchObject({ status: 0, stderr: '' });
    expect(hale('render', 'cluster.yaml')).toMatchObject({ status: 0, stderr: '' });
  });

  test('does not overwrite without being told to, and then leaves nothing changed', () => {
    render();
    put('cluster.yaml', 'mine\n');
    expect(hale('import', 'tree', '--out', 'cluster.yaml')).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/cluster\.yaml: is there already.*\[output_unwritable\]/) as string,
    });
    expect(readFileSync(join(dir, 'cluster.yaml'), 'utf8')).toBe('mine\n');
    expect(hale('import', 'tree', '--out', 'cluster.yaml', '--force').status).toBe(0);
    expect(hale('validate', 'cluster.yaml').status).toBe(0);
  });

  test('says what is missing, writes the rest, and ends with 1', () => {
    put('keepalived.conf', 'vrrp_instance A {\n  interface eth0\n  virtual_router_id 7\n  virtual_ipaddress {\n    10.0.0.100\n  }\n}\n');
    const { status, stdout, stderr } = hale('import', 'keepalived.conf');
    expect(status).toBe(1);
    expect(stderr).toContain('missing: controlPlane.hosts: ');
    expect(stdout).toContain('  address: 10.0.0.100  # from keepalived.conf:5\n');
    expect(stdout).toContain('# name: TODO ');
    expect(hale('import', 'keepalived.conf', '--out', 'cluster.yaml').status).toBe(1);
    expect(readdirSync(dir)).toContain('cluster.yaml');
  });

  test('--json is one document, with the place of each value', () => {
    render();
    const { status, stdout } = hale('import', 'tree', '--json', '--name', 'other');
    expect(status).toBe(0);
    const document = JSON.parse(stdout) as { cluster: { name: string }; origins: Record<string, object[]>; missing: []; conflicts: [] };
    expect(document.cluster.name).toBe('other');
    expect(document.origins['endpoint.address']?.[0]).toEqual({
      file: 'tree/cp1/etc/keepalived/keepalived.conf',
      line: expect.any(Number) as number,
      column: expect.any(Number) as number,
    });
    expect([document.missing, document.conflicts]).toEqual([[], []]);
  });

  test('moves a cluster to hale, and says what to look after', () => {
    render();
    const { status, stderr } = hale('import', 'tree', '--provider', 'hale', '--out', 'cluster.yaml');
    expect(status).toBe(0);
    expect(stderr).toContain('stop it on every host before the agents of hale start');
    expect(hale('validate', 'cluster.yaml', '--json').stdout).toContain('"provider": "hale"');
  });

  test("what validate says of the result is shown: a name's address that is no host's neighbour cannot be hale's", () => {
    put('nodes.yaml', nodes());
    put('kubeconfig', 'apiVersion: v1\nkind: Config\nclusters:\n- name: prod\n  cluster:\n    server: https://203.0.113.9:6443\n');
    expect(hale('import', 'nodes.yaml', 'kubeconfig')).toMatchObject({ status: 0 });
    const { status, stderr } = hale('import', 'nodes.yaml', 'kubeconfig', '--provider', 'hale');
    expect(status).toBe(1);
    expect(stderr).toMatch(/^problem: cluster\.yaml:\d+:\d+: the endpoint address 203\.0\.113\.9 lies in no host's subnet/m);
  });

  test('files that cannot be read are told of', () => {
    put('broken.yaml', 'a: [\n');
    const { status, stderr } = hale('import', 'broken.yaml', 'nowhere');
    expect(status).toBe(1);
    expect(stderr).toMatch(/^not read: broken\.yaml:\d/m);
    expect(stderr).toMatch(/^not read: nowhere:1:1: unreadable/m);
  });
});

function nodes(): string {
  const one = (name: string, address: string) =>
    `apiVersion: v1\nkind: Node\nmetadata: {name: ${name}, labels: {node-role.kubernetes.io/control-plane: ""}}\nstatus: {addresses: [{type: InternalIP, address: ${address}}]}\n`;
  return ['1', '2', '3'].map((i) => one(`cp${i}`, `10.0.0.1${i}`)).join('---\n');
}

test('the guide: its commands do what it says', () => {
  render();
  for (const command of fencesIn('import.md')) {
    const { status, stderr } = spawnSync('sh', ['-ec', `hale() { '${HALE}' "$@"; }\n${command}`], {
      encoding: 'utf8',
      cwd: dir,
    });
    expect([command, status, stderr.replaceAll(/^(guess|note): .*\n/gm, '')]).toEqual([command, 0, '']);
  }
});
