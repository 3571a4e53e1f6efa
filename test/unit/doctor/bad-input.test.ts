/** What people give to hale doctor by mistake: each must end in a finding that says so, never in a crash or in silence. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { diagnose } from '../../../src/cli/doctor/diagnose.ts';
import type { Finding } from '../../../src/core/doctor/finding.ts';
import { rules } from '../../../src/core/doctor/rules/index.ts';
import { readFiles } from '../../../src/drivers/doctor/files.ts';
import { CAN_BE_NOBODY, IS_MACHINE_ROOT } from '../../support/user.ts';

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'hale-doctor-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const look = (...names: string[]) => diagnose(readFiles(names), { rules, least: 'info', ignored: new Set() });

function write(name: string, content: string | Buffer): string {
  const path = join(dir, name);
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, content);
  return path;
}

/** The ids of what is found in one file of this content. */
const idsIn = (name: string, content: string | Buffer): string[] => look(write(name, content)).findings.map(({ id }) => id);

const KUBELET = 'apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n';

describe('a file that cannot be text', () => {
  test('of 100 MB is told of at once', () => {
    const path = write('haproxy.cfg', '');
    truncateSync(path, 100 * 2 ** 20);
    const { findings, files } = look(path);
    expect(findings.map(({ id, message }) => [id, message])).toEqual([['file-large', expect.stringContaining('100 MiB')]]);
    expect(files).toBe(0);
  });

  test.each([
    ['zero bytes', Buffer.from('global\n\0\0\0maxconn'), 'file-binary'],
    ['UTF-16, little end first', Buffer.from('\ufeffglobal\n', 'utf16le'), 'file-encoding'],
    ['UTF-16 without a mark', Buffer.from('global\n  maxconn 5\n', 'utf16le'), 'file-encoding'],
    ['ISO 8859-1', Buffer.from('# für\nglobal\n', 'latin1'), 'file-encoding'],
    ['nothing', Buffer.alloc(0), 'file-empty'],
    ['blanks', Buffer.from(' \r\n\t\n'), 'file-empty'],
  ])('%s', (_, content, id) => {
    expect(idsIn('haproxy.cfg', content)).toContain(id);
  });

  test('in a folder is passed over and counted when its name says nothing either', () => {
    write('logo.png', Buffer.of(0x89, 0x50, 0, 0));
    write('notes.txt', 'call Bob\n');
    write('.gitkeep', '');
    write('node_modules/a/haproxy.cfg', 'nonsense\n');
    write('.git/haproxy.cfg', 'nonsense\n');
    write('kubelet.yaml', KUBELET);
    expect(look(dir)).toMatchObject({ passedOver: 2, files: 1 });
    expect(look(dir).findings.map(({ file }) => file)).not.toContain(join(dir, '.git/haproxy.cfg'));
    expect(look(dir, join(dir, 'notes.txt')).findings.map(({ id, file }) => [id, file])).toContainEqual([
      'file-unrecognised',
      join(dir, 'notes.txt'),
    ]);
  });
});

test('copies beside a file are passed over, but not those that a kubelet would run', () => {
  const text = `${KUBELET}a: 1\na: 2\n`;
  for (const name of ['kubelet.yaml.bak', 'haproxy.cfg.dpkg-dist', 'keepalived.conf.sample', 'a.yaml~']) write(name, text);
  write('etc/kubernetes/manifests/etcd.yaml.bak', text);
  const { findings, passedOver } = look(dir);
  expect(findings.filter(({ id }) => id === 'yaml-duplicate-key').map(({ file }) => file)).toEqual([
    join(dir, 'etc/kubernetes/manifests/etcd.yaml.bak'),
  ]);
  expect(passedOver).toBe(4);
});

test('a byte-order mark is told of, and what follows is checked at its right place', () => {
  const { findings } = look(write('kubelet.yaml', `\ufeff${KUBELET}a: 1\na: 2\n`));
  const at = Object.fromEntries(findings.map(({ id, line, column }) => [id, [line, column]]));
  expect(at).toMatchObject({ 'file-byte-order-mark': [1, 1], 'yaml-duplicate-key': [4, 1] });
});

describe('what cannot be opened', () => {
  test('a FIFO and a device are not, with or without a name of their own', () => {
    execFileSync('mkfifo', [join(dir, 'haproxy.cfg'), join(dir, 'fifo')]);
    symlinkSync('/dev/zero', join(dir, 'zero'));
    expect(look(join(dir, 'fifo'), join(dir, 'zero')).findings.map(({ id }) => id)).toEqual(['file-special', 'file-special']);
    expect(look(dir).findings.map(({ id }) => id)).toEqual(['file-special']);
  });

  test('a name that does not exist, a link to nowhere, links in a circle', () => {
    symlinkSync('nowhere', join(dir, 'keepalived.conf'));
    symlinkSync('b.yaml', join(dir, 'a.yaml'));
    symlinkSync('a.yaml', join(dir, 'b.yaml'));
    const found = look(dir, join(dir, 'absent')).findings.map(({ id, file, message }) => [id, file.slice(dir.length + 1), message]);
    expect(found).toEqual([
      ['file-unreadable', 'a.yaml', expect.stringContaining('circle')],
      ['file-unreadable', 'absent', expect.stringContaining('no such file')],
      ['file-unreadable', 'b.yaml', expect.stringContaining('circle')],
      ['file-unreadable', 'keepalived.conf', expect.stringContaining('no such file')],
    ]);
  });

  test.skipIf(!CAN_BE_NOBODY)('a file and a folder of somebody else', () => {
    const path = write('haproxy.cfg', 'global\n');
    const folder = join(dir, 'closed');
    mkdirSync(folder);
    for (const closed of [path, folder]) chmodSync(closed, 0);
    chmodSync(dir, 0o755);
    const found = asNobody(() => look(path, folder).findings.map(({ id, file, message }) => [id, file, message]));
    const denied = expect.stringContaining('permission was denied');
    expect(found).toEqual([
      ['file-unreadable', folder, denied],
      ['file-unreadable', path, denied],
    ]);
  });

  test('folders that lead into each other are walked once, and each file is read once', () => {
    write('a/kubelet.yaml', KUBELET);
    symlinkSync('..', join(dir, 'a/up'));
    symlinkSync('kubelet.yaml', join(dir, 'a/same.yaml'));
    expect(look(dir, join(dir, 'a')).files).toBe(1);
  });

  test('files that vanish and come back meanwhile', async () => {
    for (let i = 0; i < 20; i++) write(`${i}.yaml`, KUBELET);
    const disturber = spawn('sh', ['-c', 'while :; do rm -f *.yaml; for i in 1 2 3 4 5; do echo "kind: A" > $i.yaml; done; done'], {
      cwd: dir,
    });
    try {
      await once(disturber, 'spawn');
      for (let i = 0; i < 100; i++) {
        const ids = new Set(look(dir).findings.map(({ id }) => id));
        expect([...ids].filter((id) => id !== 'file-unreadable' && id !== 'file-empty')).toEqual([]);
      }
    } finally {
      disturber.kill();
      await once(disturber, 'exit');
    }
  });
});

/** Root may read everything. */
function asNobody<T>(work: () => T): T {
  if (!IS_MACHINE_ROOT) return work();
  process.seteuid?.(65_534);
  try {
    return work();
  } finally {
    process.seteuid?.(0);
  }
}

describe('text that is no configuration as it stands', () => {
  test.each([
    ['tabs in YAML', 'a.yaml', `${KUBELET}\tcgroupDriver: systemd\n`, 'yaml-syntax'],
    ['a bomb of aliases', 'a.yaml', bomb(), 'yaml-aliases'],
    ['an alias of itself', 'a.yaml', `${KUBELET}a: &a [*a]\n`, 'yaml-aliases'],
    ['deep nesting', 'a.yaml', `${KUBELET}a: ${'['.repeat(100_000)}`, 'yaml-syntax'],
    ['deep nesting that ends', 'a.yaml', `${KUBELET}a: ${'['.repeat(20_000)}${']'.repeat(20_000)}\n`, 'yaml-syntax'],
    ['Jinja', 'haproxy.cfg', 'frontend api\n  bind *:{{ port }}\n{% for host in hosts %}\n', 'file-template'],
    ['Jinja in YAML', 'a.yaml', `${KUBELET}maxPods: {{ max_pods }}\n`, 'file-template'],
    [
      'Helm',
      'templates/daemonset.yaml',
      'apiVersion: apps/v1\nkind: DaemonSet\nmetadata:\n  name: {{ include "a.name" . }}\n',
      'file-template',
    ],
    ['Go templates of Talos or kOps', 'a.yaml.tmpl', 'apiVersion: v1\nkind: {{ .Kind }}\n', 'file-template'],
  ])('%s', (_, name, content, id) => {
    expect(idsIn(name, content)).toContain(id);
  });

  test('nesting by indentation that no program would read is no crash', () => {
    for (const levels of [100, 1000, 2500]) expect(look(write('a.yaml', `${KUBELET}${deep(levels)}`)).files).toBe(1);
  });

  test('JSON that is cut off', () => {
    expect(idsIn('a.json', '{"apiVersion": "v1", "kind": "Pod", "spec": {')).toContain('yaml-syntax');
  });

  test('a file of a million lines is read', () => {
    const comments = '#\n'.repeat(1_000_000);
    expect(look(write('kubelet.yaml', `${comments}${KUBELET}a: 1\na: 2\n`)).findings).toMatchObject([
      { id: 'yaml-duplicate-key', line: 1_000_004 },
    ]);
    expect(look(write('haproxy.cfg', `${comments}global\n  maxconn 5000\n`)).files).toBe(1);
    expect(look(write('check.sh', `#!/bin/sh\n${':\n'.repeat(200_000)}`)).files).toBe(1);
  });

  test('lines that end in CR LF have the same places, and lose nothing', () => {
    const texts = [`${KUBELET}a: 1\na: 2\n`, `${KUBELET}a: 1\na: 2\n`.replaceAll('\n', '\r\n')];
    const [one, two] = texts.map((text) => look(write('kubelet.yaml', text)).findings.map(plain));
    expect(two).toEqual(one);
    expect(one).not.toEqual([]);
  });
});

const plain = ({ id, line, column, message }: Finding) => ({ id, line, column, message });

function bomb(): string {
  const levels = Array.from({ length: 12 }, (_, i) => `l${i}: &l${i} [${(i === 0 ? 'x' : `*l${i - 1}`).concat(',').repeat(9)}]\n`);
  return `${KUBELET}${levels.join('')}`;
}

function deep(levels: number): string {
  return Array.from({ length: levels }, (_, i) => `${' '.repeat(i)}a:\n`).join('');
}
