import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import schema from '@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json' with { type: 'json' };
import AjvDraft04 from 'ajv-draft-04';
import formats from 'ajv-formats';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { rules } from '../../../src/core/doctor/rules/index.ts';
import { HALE } from '../../support/hale.ts';

const KUBELET = 'apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n';
let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'hale-doctor-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function write(name: string, text: string): string {
  const path = join(dir, name);
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, text);
  return path;
}

/** `hale doctor` in the folder. */
function doctor(words: readonly string[], input = '') {
  return spawnSync(HALE, ['doctor', ...words], { encoding: 'utf8', cwd: dir, input });
}

/** Two files with a finding of each severity that hale has for any file, and a third without. */
function writeCases(): void {
  write('cp1/etc/kubernetes/a.yaml', `${KUBELET}a: 1\na: 2\n`);
  write('cp1/etc/haproxy/haproxy.cfg', 'frontend api\n  bind *:{{ port }}\n');
  write('good.yaml', `${KUBELET}cgroupDriver: systemd\n`);
}

describe('exit codes', () => {
  test('0 when nothing is found, 1 when something is, 2 for wrong use, each with its words', () => {
    writeCases();
    expect(doctor(['good.yaml'])).toMatchObject({ status: 0, stdout: '0 errors, 0 warnings, 0 infos in 1 file\n' });
    expect(doctor(['.'])).toMatchObject({ status: 1, stderr: '' });
    for (const words of [[], ['--format', 'html', '.'], ['--ignore', 'no-such-rule', '.'], ['--ssh', '-x'], ['explain', 'no-such-rule']]) {
      const { status, stdout, stderr } = doctor(words);
      expect([status, stdout]).toEqual([2, '']);
      expect(stderr).not.toBe('');
    }
  });

  test('2 where hale knows nothing of what is there: silence would look like good news', () => {
    write('notes/todo.txt', 'call Bob\n');
    expect(doctor(['notes'])).toMatchObject({ status: 2, stderr: expect.stringContaining('nothing was checked') });
  });

  test('--severity and --ignore leave out findings, also for the exit code', () => {
    write('haproxy.cfg', 'frontend api\n  bind *:{{ port }}\n');
    expect(doctor(['haproxy.cfg'])).toMatchObject({ status: 1, stdout: expect.stringContaining('1 warning') });
    expect(doctor(['haproxy.cfg', '--severity', 'error'])).toMatchObject({ status: 0, stdout: expect.stringContaining('0 warnings') });
    expect(doctor(['haproxy.cfg', '--ignore', 'file-template'])).toMatchObject({ status: 0 });
  });
});

describe('what is printed', () => {
  test('as text: place, severity and id in one line, why and fix once a file, and a sum; no colour in a pipe', () => {
    writeCases();
    const { stdout } = doctor(['.']);
    expect(stdout).toMatch(/^cp1\/etc\/kubernetes\/a\.yaml:4:1: error yaml-duplicate-key: .*\n {4}why: .*\n {4}fix: .*$/m);
    expect(stdout).toMatch(/^1 error, 1 warning, 0 infos in 3 files\n$/m);
    expect(stdout).not.toContain('\u001b');
  });

  test('as JSON', () => {
    writeCases();
    const { stdout } = doctor(['.', '--json']);
    expect(doctor(['.', '--format', 'json']).stdout).toBe(stdout);
    expect(JSON.parse(stdout)).toMatchObject({
      findings: [
        { id: 'file-template', severity: 'warning', file: 'cp1/etc/haproxy/haproxy.cfg', line: 2, column: 10 },
        { id: 'yaml-duplicate-key', severity: 'error', file: 'cp1/etc/kubernetes/a.yaml', line: 4, column: 1 },
      ],
      counts: { error: 1, warning: 1, info: 0 },
      files: 3,
    });
    for (const finding of (JSON.parse(stdout) as { findings: Record<string, unknown>[] }).findings)
      for (const key of ['message', 'why', 'fix', 'url']) expect(finding[key]).toEqual(expect.stringMatching(/./));
  });

  test('as SARIF that fits the schema of OASIS, with every rule and relative addresses', () => {
    writeCases();
    write('odd name #1%.yaml', `${KUBELET}a: 1\na: 2\n`);
    const log = JSON.parse(doctor(['.', join(dir, 'good.yaml'), '/nonexistent/haproxy.cfg', '--format', 'sarif']).stdout) as SarifLog;
    expect(validSarif(log)).toEqual([]);
    const { results, tool } = log.runs[0] as SarifLog['runs'][number];
    expect(tool.driver.rules.map(({ id }) => id)).toEqual(rules.map(({ id }) => id));
    for (const { ruleId, ruleIndex } of results) expect(tool.driver.rules[ruleIndex]?.id).toBe(ruleId);
    const places = results.map(({ locations }) => locations[0]?.physicalLocation);
    expect(places.map((place) => place?.artifactLocation.uri)).toEqual([
      'file:///nonexistent/haproxy.cfg',
      'cp1/etc/haproxy/haproxy.cfg',
      'cp1/etc/kubernetes/a.yaml',
      'odd%20name%20%231%25.yaml',
    ]);
    expect(places[2]?.region).toEqual({ startLine: 4, startColumn: 1 });
  });

  test('the schema tells a wrong log from a right one', () => {
    expect(validSarif({ version: '2.1.0', runs: [{ tool: {} }] })).not.toEqual([]);
  });

  test('as JUnit XML that xmllint reads, whatever the file is called and holds', () => {
    writeCases();
    write('a&b<"\u0001.yaml', `${KUBELET}"\u0002]]>": 1\n"\u0002]]>": 2\n`);
    const { stdout } = doctor(['.', '--format', 'junit']);
    const xpath = (path: string) => {
      const { status, stdout: value, stderr } = spawnSync('xmllint', ['--xpath', path, '-'], { input: stdout, encoding: 'utf8' });
      expect([status, stderr]).toEqual([0, '']);
      return value.trim();
    };
    expect(xpath('string(/testsuites/@failures)')).toBe(xpath('count(//failure)'));
    expect(xpath('string(/testsuites/@tests)')).toBe(xpath('count(//testcase)'));
    expect(xpath('string(//testsuite[@name="cp1/etc/kubernetes/a.yaml"]/testcase/@name)')).toBe('yaml-duplicate-key at 4:1');
    expect(xpath('count(//testsuite)')).toBe('3');
  });

  test('JUnit of a good file has one test that passed', () => {
    writeCases();
    expect(doctor(['good.yaml', '--format', 'junit']).stdout).toMatch(/tests="1" failures="0"/);
  });
});

interface SarifLog {
  runs: {
    tool: { driver: { rules: { id: string }[] } };
    results: {
      ruleId: string;
      ruleIndex: number;
      locations: { physicalLocation: { artifactLocation: { uri: string }; region: object } }[];
    }[];
  }[];
}

const ajv = formats.default(new AjvDraft04.default({ strict: false, allErrors: true, unicodeRegExp: false }));
const isSarif = ajv.compile(schema);

function validSarif(log: unknown): string[] {
  return isSarif(log) ? [] : (isSarif.errors ?? []).map(({ instancePath, message }) => `${instancePath}: ${message}`);
}

test('standard input is read under the name -', () => {
  expect(doctor(['-'], `${KUBELET}a: 1\na: 2\n`)).toMatchObject({ status: 1, stdout: expect.stringMatching(/^-:4:1: error/) });
});

describe('hale doctor explain', () => {
  test('says everything about a rule, lists all without an id, and knows the nearest of one that is none', () => {
    const { stdout } = doctor(['explain', 'yaml-duplicate-key']);
    for (const text of ['yaml-duplicate-key (error)', 'why ', 'fix ', 'sources ', 'bad:', 'good:', 'cgroupDriver: cgroupfs'])
      expect(stdout).toContain(text);
    const list = doctor(['explain']).stdout;
    expect(rules.filter(({ id }) => !list.includes(`\n${id} `) && !list.startsWith(id))).toEqual([]);
    expect(doctor(['explain', 'yaml-dublicate-key']).stderr).toContain('yaml-duplicate-key');
    expect(JSON.parse(doctor(['explain', 'yaml-syntax', '--json']).stdout)).toMatchObject({ id: 'yaml-syntax', severity: 'error' });
  });
});
