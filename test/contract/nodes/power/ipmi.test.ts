/** Power by IPMI: this system's ipmitool against OpenIPMI's ipmi_sim on loopback. It answers no question for cipher suites, so each call takes 6 s. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openPower } from '../../../../src/drivers/power/open.ts';
import type { Power } from '../../../../src/ports/power.ts';
import { until } from '../../../support/hale.ts';
import { type IpmiSimulator, ipmiProblem, startIpmi } from '../../../support/ipmi.ts';
import { commandLines, powerSettings, reasonOf, target } from '../../../support/power.ts';

const problem = ipmiProblem();

describe.skipIf(problem !== undefined)(`power by IPMI${problem === undefined ? '' : ` (${problem})`}`, () => {
  let dir: string;
  let bmc: IpmiSimulator;

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'hale-ipmi-test-'));
    bmc = await startIpmi();
  });

  afterAll(async () => {
    await bmc?.close();
    rmSync(dir, { recursive: true, force: true });
  });

  const open = (credentialsFile = bmc.credentialsFile, timeoutSeconds = 30): Power =>
    openPower(powerSettings({ by: 'ipmi', credentialsFile, timeoutSeconds })) as Power;
  const credentials = (name: string, password: string) => {
    const file = join(dir, name);
    writeFileSync(file, `username = admin\npassword = ${password}\n`, { mode: 0o600 });
    return file;
  };

  test('state, off and on, each harmless where it is so already; the password is in no list of processes', {
    timeout: 120_000,
  }, async () => {
    const power = open();
    const host = target(bmc.host);
    const seen = new Set<string>();
    const look = setInterval(() => {
      for (const line of commandLines()) seen.add(line);
    }, 20);
    try {
      expect(power.name).toBe('IPMI');
      expect(await power.state(host)).toEqual({ kind: 'on' });
      expect([await power.off(host), await power.off(host)]).toEqual([{ ok: true }, { ok: true }]);
      expect(bmc.isOn()).toBe(false);
      expect(await power.state(host)).toEqual({ kind: 'off' });
      expect([await power.on(host), await power.on(host)]).toEqual([{ ok: true }, { ok: true }]);
      expect(bmc.isOn()).toBe(true);
    } finally {
      clearInterval(look);
    }
    const lines = [...seen];
    expect(lines.filter((line) => line.startsWith('ipmitool ') && line.includes('chassis power off'))).toHaveLength(1);
    expect(lines.filter((line) => line.includes(bmc.password))).toEqual([]);
  });

  test('a wrong password, one that IPMI cannot have, and a closed port are reasons that show none', { timeout: 120_000 }, async () => {
    const host = target(bmc.host);
    const wrong = credentials('wrong', 'not-the-password');
    const states = await Promise.all([
      open(wrong).state(host),
      open(wrong).off(host),
      open(credentials('long', 'a-password-of-more-than-20')).state(host),
      open().state(target('127.0.0.1:1')),
      open(credentials('shell', '$(reboot)')).state(host),
    ]);
    const reasons = states.map(reasonOf);
    const shut = 'Unable to establish IPMI v2 / RMCP+ session (is it there, and are the credentials right?)';
    expect(reasons).toEqual([shut, shut, 'password is longer than 20 bytes', shut, shut].map((reason) => expect.stringContaining(reason)));
    for (const secret of ['not-the-password', 'a-password-of-more', bmc.password, '$(reboot)'])
      expect(reasons.filter((reason) => reason.includes(secret))).toEqual([]);
    expect(bmc.isOn()).toBe(true);
  });

  test('what is no place of a controller is asked for nowhere', async () => {
    expect(reasonOf(await open().state(target('')))).toContain('set `bmc` of that host in cluster.yaml');
    expect(reasonOf(await open().state(target('-f/etc/passwd')))).toContain('cannot stand for {bmc}');
    expect(reasonOf(await open().state(target('127.0.0.1:a')))).toContain('is no name or address of a management controller');
  });

  test('without ipmitool the reason says what to install', async () => {
    const path = process.env['PATH'];
    process.env['PATH'] = dir;
    try {
      expect(reasonOf(await open().state(target(bmc.host)))).toContain('the Debian package is called ipmitool');
    } finally {
      process.env['PATH'] = path;
    }
  });

  test('a controller that is frozen is unknown at the deadline, and no ipmitool is left', async () => {
    bmc.freeze();
    try {
      expect(await open(bmc.credentialsFile, 2).state(target(bmc.host))).toEqual({ kind: 'unknown', reason: 'no answer within 2 s' });
      expect(await open(bmc.credentialsFile, 2).off(target(bmc.host))).toEqual({ ok: false, reason: 'no answer within 2 s' });
    } finally {
      bmc.thaw();
    }
    const port = bmc.host.split(':')[1] as string;
    const left = () => commandLines().filter((line) => line.startsWith('ipmitool ') && line.includes(`-p ${port}`));
    await until(left, (lines) => lines.length === 0, 'every ipmitool has ended');
    expect(bmc.isOn()).toBe(true);
  });
});
