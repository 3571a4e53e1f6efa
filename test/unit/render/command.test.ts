import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

const main = join(import.meta.dirname, '../../../src/cli/main.ts');
let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'hale-render-'));
  const example = readFileSync(new URL('../../../docs/examples/cluster.yaml', import.meta.url), 'utf8');
  writeFileSync(join(dir, 'cluster.yaml'), example.replace('distribution: kubeadm', 'distribution: systemd'));
});

afterEach(() => rmSync(dir, { recursive: true }));

function run(...words: string[]) {
  return spawnSync(process.execPath, [main, 'render', join(dir, 'cluster.yaml'), ...words], { encoding: 'utf8' });
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

const out = (...path: string[]) => join(dir, 'out', ...path);
const secretsFile = () => join(dir, 'out.secrets.json');
const mode = (path: string) => (statSync(path).mode & 0o777).toString(8);

function secretWords(): string[] {
  if (!existsSync(secretsFile())) return [];
  return [...readFileSync(secretsFile(), 'utf8').matchAll(/"(?:secret|etcdToken)": "(.*)"/g)].map(([, word]) => word as string);
}

describe('hale render', () => {
  test('without a folder lists every file, and writes none', () => {
    expect(render()).toMatch(/^cp3 +0600 +\/etc\/kubernetes\/encryption\.yaml$/m);
    expect(readdirSync(dir)).toEqual(['cluster.yaml']);
  });

  test('writes a tree for each host, with the modes of its manifest, and the same again in every later run', () => {
    render('--out', out());
    expect(readdirSync(out())).toEqual(['cp1', 'cp2', 'cp3']);
    const { files } = JSON.parse(readFileSync(out('cp1/manifest.json'), 'utf8')) as {
      files: { path: string; mode: string; sha256: string }[];
    };
    expect(files.map(({ path }) => path)).toEqual(files.map(({ path }) => path).toSorted());
    for (const file of files) {
      const path = out('cp1', file.path);
      expect([file.mode, file.sha256]).toEqual([`0${mode(path)}`, createHash('sha256').update(readFileSync(path)).digest('hex')]);
    }
    const encryption = (host: string) => readFileSync(out(host, 'etc/kubernetes/encryption.yaml'), 'utf8');
    expect(encryption('cp2')).toBe(encryption('cp1'));
    expect(render('--out', out())).toMatch(/^cp1 +0 +12$/m);
  });

  test('the secrets are made once, for their owner alone, and printed never', () => {
    const first = render('--out', out());
    expect(mode(secretsFile())).toBe('600');
    const words = secretWords();
    expect(words.length).toBe(2);
    expect(Buffer.from(words[0] as string, 'base64').length).toBe(32);
    for (const word of words) expect(first).not.toContain(word);
    rmSync(out(), { recursive: true });
    render('--out', out());
    expect(secretWords()).toEqual(words);
    expect(readFileSync(out('cp1/etc/kubernetes/encryption.yaml'), 'utf8')).toContain(words[0]);
  });

  test('one host alone', () => {
    render('--out', out(), '--node', 'cp2');
    expect(readdirSync(out())).toEqual(['cp2']);
    expect(refusal('--out', out(), '--node', 'cp9')).toMatch(/cp9.*\[render_node_unknown\]/);
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

  test.each(['kubeadm', 'k3s'])('says what is not there for %s', (distribution) => {
    const path = join(dir, 'cluster.yaml');
    writeFileSync(path, readFileSync(path, 'utf8').replace('distribution: systemd', `distribution: ${distribution}`));
    expect(refusal('--out', out())).toContain(`nothing for ${distribution} yet`);
    expect(readdirSync(dir)).toEqual(['cluster.yaml']);
  });
});
