/** Power by Redfish, on the emulator of OpenStack's sushy-tools with TLS on loopback. */
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { HealSettings } from '../../../../src/core/cluster/heal.ts';
import { createAuthority } from '../../../../src/drivers/pki/authority.ts';
import { openPower } from '../../../../src/drivers/power/open.ts';
import type { Power } from '../../../../src/ports/power.ts';
import { untilWithin } from '../../../support/hale.ts';
import { powerSettings, reasonOf, target } from '../../../support/power.ts';
import { type RedfishEmulator, redfishProblem, startRedfish } from '../../../support/redfish.ts';

const problem = redfishProblem();
/** The emulator's hosts take up to 11 s, as real ones do. */
const TRANSITION_MS = 40_000;

describe.skipIf(problem !== undefined)(`power by Redfish${problem === undefined ? '' : ` (${problem})`}`, () => {
  let many: RedfishEmulator;
  let one: RedfishEmulator;

  beforeAll(async () => {
    const systems = [
      { name: 'cp1', power: 'On' },
      { name: 'cp2', power: 'Off' },
      { name: 'going', power: 'PoweringOff' },
      { name: 'coming', power: 'PoweringOn' },
      { name: 'halted', power: 'Paused' },
      { name: 'silent', power: '' },
      { name: 'odd', power: 'off' },
    ];
    many = await startRedfish({ systems, transitionSeconds: 0 });
    one = await startRedfish({ systems: [{ name: 'only', power: 'On' }] });
  });

  afterAll(async () => {
    await many?.close();
    await one?.close();
  });

  const open = (emulator: RedfishEmulator, more: Partial<HealSettings['power']> = {}): Power => {
    const { caFile, credentialsFile } = emulator;
    const power = openPower(powerSettings({ by: 'redfish', caFile, credentialsFile, ...more }));
    if (power === undefined) throw new Error('by is redfish');
    return power;
  };
  const bmcOf = (emulator: RedfishEmulator) => emulator.url.replace('https://', '');
  const byPath = (more: Partial<HealSettings['power']> = {}) => open(many, { url: 'https://{bmc}/redfish/v1/Systems/{node}', ...more });
  const stateOf = (node: string, more: Partial<HealSettings['power']> = {}) => byPath(more).state(target(bmcOf(many), node));

  test('the only system of a service is found, goes off and on, and is off only when it says so', { timeout: 90_000 }, async () => {
    const power = open(one);
    const host = target(bmcOf(one));
    const seen = (kind: string) =>
      untilWithin(TRANSITION_MS, { look: () => power.state(host), wanted: (state) => state.kind === kind, what: `power ${kind}` });
    expect(power.name).toBe('Redfish');
    expect(await power.state(host)).toEqual({ kind: 'on' });
    expect(await power.on(host)).toEqual({ ok: true });
    expect(await power.off(host)).toEqual({ ok: true });
    expect(await seen('off')).toEqual({ kind: 'off' });
    expect(await power.off(host)).toEqual({ ok: true });
    expect(await power.state(host)).toEqual({ kind: 'off' });
    expect(await power.on(host)).toEqual({ ok: true });
    expect(await seen('on')).toEqual({ kind: 'on' });
  });

  test('a system by its path, without touching the one beside it', async () => {
    expect(await stateOf('cp1')).toEqual({ kind: 'on' });
    expect(await stateOf('cp2')).toEqual({ kind: 'off' });
    expect(await byPath().off(target(bmcOf(many), 'cp1'))).toEqual({ ok: true });
    expect(await byPath().on(target(bmcOf(many), 'cp2'))).toEqual({ ok: true });
    expect([await stateOf('cp1'), await stateOf('cp2')]).toEqual([{ kind: 'off' }, { kind: 'on' }]);
    expect(await byPath().on(target(bmcOf(many), 'cp1'))).toEqual({ ok: true });
    expect(await stateOf('cp1')).toEqual({ kind: 'on' });
  });

  test('a redirection within the service is followed: the emulator sends other names of a system on', async () => {
    expect(await stateOf('cp1-alias')).toEqual({ kind: 'on' });
    expect(await byPath().off(target(bmcOf(many), 'cp1-alias'))).toEqual({ ok: true });
    expect(await stateOf('cp1')).toEqual({ kind: 'off' });
    expect(await byPath().on(target(bmcOf(many), 'cp1'))).toEqual({ ok: true });
  });

  test.each([
    ['going', 'PowerState is "PoweringOff"'],
    ['coming', 'PowerState is "PoweringOn"'],
    ['halted', 'PowerState is "Paused"'],
    ['silent', 'PowerState is missing'],
    ['odd', 'PowerState is "off"'],
    ['nobody', 'HTTP 404: Fake system nobody was not found'],
  ])('neither on nor off is unknown: %s', async (node, reason) => {
    expect(await stateOf(node)).toEqual({ kind: 'unknown', reason: expect.stringContaining(reason) });
  });

  test('several systems without a path are none, and nothing is ordered', async () => {
    const power = open(many);
    const host = target(bmcOf(many));
    const several = /has 7 systems \(\/redfish\/v1\/Systems\/\S+, .*write the path of the right one into heal\.power\.url/;
    expect(await power.state(host)).toEqual({ kind: 'unknown', reason: expect.stringMatching(several) });
    expect(await power.off(host)).toEqual({ ok: false, reason: expect.stringMatching(several) });
    expect(await stateOf('cp1')).toEqual({ kind: 'on' });
  });

  test('something else that has a PowerState proves nothing: the manager beside the system', async () => {
    const power = open(many, { url: 'https://{bmc}/redfish/v1/Managers/{node}' });
    expect(await power.state(target(bmcOf(many)))).toEqual({ kind: 'unknown', reason: expect.stringContaining('is no ComputerSystem') });
  });

  test('without a caFile, the authorities of this system are trusted, and not those that Node has with it', async () => {
    const { SSL_CERT_FILE: file } = process.env;
    process.env['SSL_CERT_FILE'] = many.caFile;
    try {
      const { credentialsFile } = many;
      const power = openPower(powerSettings({ by: 'redfish', credentialsFile, url: 'https://{bmc}/redfish/v1/Systems/{node}' }));
      expect(await power?.state(target(bmcOf(many)))).toEqual({ kind: 'on' });
    } finally {
      if (file === undefined) delete process.env['SSL_CERT_FILE'];
      else process.env['SSL_CERT_FILE'] = file;
    }
  });

  test('a wrong password, another authority and a closed port are told apart, and no reason shows a credential', async () => {
    const credentialsFile = join(many.dir, 'other-credentials');
    writeFileSync(credentialsFile, 'username = admin\npassword = wrong-bmc-password\n[cp2]\nusername = nobody\n', { mode: 0o600 });
    const caFile = join(many.dir, 'other-ca.crt');
    writeFileSync(caFile, (await createAuthority({ commonName: 'other', validityDays: 1 })).certPem);
    const reasons = [
      await stateOf('cp1', { credentialsFile }),
      await stateOf('cp2', { credentialsFile }),
      await byPath({ credentialsFile }).off(target(bmcOf(many))),
      await stateOf('cp1', { caFile }),
      await byPath().state(target('127.0.0.1:1')),
      await byPath().state(target('localhost:' + bmcOf(many).split(':')[1])),
    ].map(reasonOf);
    expect(reasons.slice(0, 3)).toEqual(
      Array.from({ length: 3 }, () => expect.stringContaining('HTTP 401: Incorrect username or password')),
    );
    expect(reasons[3]).toContain('name the authority that signed its certificate in heal.power.caFile');
    expect(reasons[4]).toContain('ECONNREFUSED');
    expect(reasons[5]).toContain('heal.power.caFile, and the controller by a name that is in it');
    for (const password of ['wrong-bmc-password', many.password]) {
      const token = (name: string) => Buffer.from(`${name}:${password}`).toString('base64');
      for (const secret of [password, token('admin'), token('nobody')]) expect(reasons.join('\n')).not.toContain(secret);
    }
  });

  test('the credentials are read anew, and refused once others can read them', async () => {
    const credentialsFile = join(many.dir, 'changing');
    const write = (password: string) => writeFileSync(credentialsFile, `username = admin\npassword = ${password}\n`, { mode: 0o600 });
    write('not-yet');
    const power = byPath({ credentialsFile });
    const host = target(bmcOf(many));
    expect(reasonOf(await power.state(host))).toContain('HTTP 401');
    write(many.password);
    expect(await power.state(host)).toEqual({ kind: 'on' });
    chmodSync(credentialsFile, 0o640);
    expect(reasonOf(await power.state(host))).toContain(`chmod 600 ${credentialsFile}`);
    expect(() => byPath({ credentialsFile })).toThrow('others than its owner can read the credentials');
    expect(() => byPath({ caFile: join(many.dir, 'none') })).toThrow(
      'the certificate authority of the management controllers cannot be read',
    );
    writeFileSync(join(many.dir, 'empty'), '');
    expect(() => byPath({ caFile: join(many.dir, 'empty') })).toThrow('it holds no certificate');
  });

  test('a host without a bmc, and names that could lead elsewhere, are asked for nowhere', async () => {
    expect(reasonOf(await byPath().state(target('')))).toContain('set `bmc` of that host in cluster.yaml');
    for (const node of ['$(reboot)', '-oProxyCommand=id', '../Managers/cp1', 'cp1@127.0.0.2'])
      expect(reasonOf(await stateOf(node))).toContain('cannot stand for {node}');
    expect(reasonOf(await byPath().off(target('x@127.0.0.2')))).toContain('cannot stand for {bmc}');
  });

  test('a service that is frozen is unknown at the deadline, and as it was thereafter', async () => {
    const power = byPath({ timeoutSeconds: 1 });
    const host = target(bmcOf(many));
    many.freeze();
    try {
      expect(await power.state(host)).toEqual({ kind: 'unknown', reason: 'no answer within 1 s' });
      expect(await power.off(host)).toEqual({ ok: false, reason: 'no answer within 1 s' });
    } finally {
      many.thaw();
    }
    expect(await byPath().state(host)).toEqual({ kind: 'on' });
  });
});
