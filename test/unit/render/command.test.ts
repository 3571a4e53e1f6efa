import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { HALE } from '../../support/hale.ts';

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'hale-render-'));
  const example = readFileSync(new URL('../../../docs/examples/cluster.yaml', import.meta.url), 'utf8');
  writeFileSync(join(dir, 'cluster.yaml'), example.replace('distribution: kubeadm', 'distribution: systemd'));
});

afterEach(() => rmSync(dir, { recursive: true }));

function run(...words: string[]) {
  return spawnSync(HALE, ['render', join(dir, 'cluster.yaml'), ...words], { encoding: 'utf8' });
}

/** `hale render` with this cluster.yaml and more words; what it printed. */
function render(...words: string[]): string {
  const { status, stdout, stderr } = run(...words);
  if (status !== 0) throw new Error(stderr);
  return stdout;
}

/** The same where it is refused. */
function refusal(...words: string[]): string {
  const { status, stdout, stderr } = run(...words);
  expect([status, stdout]).toEqual([2, '']);
  for (const word of secretWords()) expect(stderr).not.toContain(word);
  return stderr;
}

/** Changes cluster.yaml. */
function edit(...edits: [from: string, to: string][]): void {
  const path = join(dir, 'cluster.yaml');
  writeFileSync(
    path,
    edits.reduce((text, [from, to]) => text.replace(from, to), readFileSync(path, 'utf8')),
  );
}

const out = (...path: string[]) => join(dir, 'out', ...path);
const secretsFile = () => join(dir, 'out.secrets.json');
const mode = (path: string) => (statSync(path).mode & 0o777).toString(8);

function secretWords(): string[] {
  if (!existsSync(secretsFile())) return [];
  const words = /"(?:secret|etcdToken|certificateKey|bootstrapToken|joinToken)": "(.*)"/g;
  return [...readFileSync(secretsFile(), 'utf8').matchAll(words)].map(([, word]) => word as string);
}

describe('hale render', () => {
  test('without a folder lists every file, and writes none', () => {
    expect(render()).toMatch(/^cp3 +0600 +root:root +\/etc\/kubernetes\/encryption\.yaml$/m);
    expect(readdirSync(dir)).toEqual(['cluster.yaml']);
  });

  test('writes a tree for each host, with the modes of its manifest, and the same again in every later run', () => {
    render('--out', out());
    expect(readdirSync(out())).toEqual(['_cluster', 'cp1', 'cp2', 'cp3']);
    expect(existsSync(out('_cluster/STEPS.md'))).toBe(true);
    const { files } = JSON.parse(readFileSync(out('cp1/manifest.json'), 'utf8')) as {
      files: { path: string; mode: string; owner: string; sha256: string }[];
    };
    expect(files.map(({ path }) => path)).toEqual(files.map(({ path }) => path).toSorted());
    for (const file of files) {
      const path = out('cp1', file.path);
      expect([file.mode, file.sha256]).toEqual([`0${mode(path)}`, createHash('sha256').update(readFileSync(path)).digest('hex')]);
      expect(file.owner).toBe('root:root');
    }
    const encryption = (host: string) => readFileSync(out(host, 'etc/kubernetes/encryption.yaml'), 'utf8');
    expect(encryption('cp2')).toBe(encryption('cp1'));
    expect(render('--out', out())).toMatch(new RegExp(`^cp1 +0 +${files.length + 1}$`, 'm'));
  });

  test('the secrets are made once, for their owner alone, and printed never', () => {
    const first = render('--out', out());
    expect(mode(secretsFile())).toBe('600');
    const words = secretWords();
    expect(words.length).toBe(5);
    expect(Buffer.from(words[0] as string, 'base64').length).toBe(32);
    for (const word of words) expect(first).not.toContain(word);
    rmSync(out(), { recursive: true });
    render('--out', out());
    expect(secretWords()).toEqual(words);
    expect(readFileSync(out('cp1/etc/kubernetes/encryption.yaml'), 'utf8')).toContain(words[0]);
  });

  test('one host alone, also a worker, without what belongs to the whole cluster', () => {
    render('--out', out(), '--node', 'cp2');
    expect(readdirSync(out())).toEqual(['cp2']);
    edit(
      ['distribution: systemd', 'distribution: kubeadm'],
      ['apiserver:', 'workers: {hosts: [{name: w1, address: 10.0.0.21/24}]}\napiserver:'],
    );
    expect(render('--out', out('workers'), '--node', 'w1')).toMatch(/^w1 +\d+ +0$/m);
    expect(readdirSync(out('workers'))).toEqual(['w1']);
    expect(refusal('--out', out(), '--node', 'cp9')).toMatch(/--node cp9: .*\[render_node_unknown\]\n +choose one of cp1, cp2, cp3, w1$/m);
  });

  test('what differs is named and left as it is, all of it, until it may be overwritten', () => {
    render('--out', out());
    const changed = out('cp2/etc/systemd/system/etcd.service');
    const open = out('cp1/etc/kubernetes/encryption.yaml');
    writeFileSync(changed, 'mine\n');
    chmodSync(open, 0o644);
    rmSync(out('cp3'), { recursive: true });
    expect(refusal('--out', out())).toContain(`differ in text or mode:\n  ${open}\n  ${changed} [render_differs]\n`);
    expect(existsSync(out('cp3'))).toBe(false);
    render('--out', out(), '--force');
    expect(readFileSync(changed, 'utf8')).toContain('[Unit]');
    expect(mode(open)).toBe('600');
  });

  test.each([
    ['open to others', '{}', 0o644, 'others than its owner may use it'],
    ['not JSON', 'secretword', 0o600, 'it is not JSON'],
    ['a key that is too short', '{"encryptionKeys":[{"name":"a","secret":"c2VjcmV0"}],"etcdToken":"x"}', 0o600, 'encryptionKeys.0.secret'],
    ['without a token', '{"encryptionKeys":[]}', 0o600, 'etcdToken'],
  ])('secrets that are %s are refused, and not quoted', (_, text, permissions, reason) => {
    writeFileSync(secretsFile(), text, { mode: permissions });
    chmodSync(secretsFile(), permissions);
    const said = refusal('--out', out());
    expect(said).toContain('[secrets_file_unusable]');
    expect(said).toContain(reason);
    expect(said).not.toMatch(/secretword|c2VjcmV0/);
    expect(existsSync(out())).toBe(false);
  });

  test('--diff shows what would change and writes nothing, and never a secret', () => {
    render('--out', out());
    expect(render('--out', out(), '--diff')).toBe(`${out()}: nothing differs\n`);
    const unit = out('cp2/etc/systemd/system/etcd.service');
    const secret = out('cp1/etc/kubernetes/encryption.yaml');
    const missing = out('_cluster/STEPS.md');
    writeFileSync(unit, readFileSync(unit, 'utf8').replace('--name=cp2', '--name=mine'));
    writeFileSync(secret, 'my own word\n');
    rmSync(missing);

    const { status, stdout, stderr } = run('--out', out(), '--diff');
    expect([status, stderr]).toEqual([1, '']);
    expect(stdout).toMatch(/^-.*--name=mine/m);
    expect(stdout).toMatch(/^\+.*--name=cp2/m);
    expect(stdout).toContain(`${secret}: differs; it is secret, so not shown\n`);
    expect(stdout).toMatch(/^--- \/dev\/null$/m);
    for (const word of [...secretWords(), 'my own word']) expect(stdout).not.toContain(word);
    expect(readFileSync(secret, 'utf8')).toBe('my own word\n');
    expect(existsSync(missing)).toBe(false);

    chmodSync(secret, 0o644);
    const open = run('--out', out(), '--diff').stdout;
    expect(open).toContain(`${secret}: mode 0644 would be 0600\n`);
    for (const word of secretWords()) expect(open).not.toContain(word);
  });

  test('--diff without anything to compare with is refused, and makes no secrets', () => {
    expect(refusal('--diff')).toContain('[render_diff_against_nothing]');
    expect(refusal('--diff', '--out', out())).toContain('[secrets_file_unusable]');
    expect(readdirSync(dir)).toEqual(['cluster.yaml']);
  });

  test('secrets of an earlier version stay as they are, and get what they lack', () => {
    render('--out', out());
    const { encryptionKeys, etcdToken } = JSON.parse(readFileSync(secretsFile(), 'utf8')) as Record<string, unknown>;
    writeFileSync(secretsFile(), JSON.stringify({ encryptionKeys, etcdToken }));
    render('--out', out(), '--force');
    expect(JSON.parse(readFileSync(secretsFile(), 'utf8'))).toMatchObject({ encryptionKeys, etcdToken, joinToken: expect.any(String) });
    expect(mode(secretsFile())).toBe('600');
  });

  test.each(['kubeadm', 'k3s', 'rke2', 'systemd'])('every host has files with %s, and they are what the list says', (distribution) => {
    edit(['distribution: systemd', `distribution: ${distribution}`]);
    const listed = render()
      .split('\n')
      .slice(1, -1)
      .map((line) => line.split(/ +/))
      .map(([host, , , path]) => join(host as string, path as string));
    render('--out', out());
    const written = readdirSync(out(), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name !== 'manifest.json')
      .map((entry) => relative(out(), join(entry.parentPath, entry.name)));
    expect(listed.toSorted()).toEqual(written.toSorted());
    expect(new Set(written.map((path) => path.split('/')[0]))).toEqual(new Set(['_cluster', 'cp1', 'cp2', 'cp3']));
  });
});
