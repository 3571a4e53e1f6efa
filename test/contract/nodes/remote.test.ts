/** Reboots over SSH on a real sshd on loopback, whose commands only pretend to reboot; and the user's command that replaces a machine. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { heal } from '../../../src/core/cluster/heal.ts';
import { createRemote } from '../../../src/drivers/remote.ts';
import { freeze } from '../../support/freeze.ts';
import { reasonOf } from '../../support/power.ts';
import { type Sshd, sshdProblem, startSshd } from '../../support/sshd.ts';

const problem = sshdProblem();

describe.skipIf(problem !== undefined)(`a reboot over SSH${problem === undefined ? '' : ` (${problem})`}`, () => {
  let sshd: Sshd;

  beforeAll(async () => {
    sshd = await startSshd();
  });

  afterAll(async () => {
    await sshd?.close();
  });

  /** Never with the default: the sshd is on this very machine. */
  const reboot = (rebootCommand: string, { address = '127.0.0.1', more = [] }: { address?: string; more?: string[] } = {}) => {
    const options = [...more, ...sshd.options, 'StrictHostKeyChecking=accept-new'];
    const { ssh } = heal.parse({ ssh: { rebootCommand, options } });
    return createRemote({ ssh }).reboot({ node: 'cp1', address });
  };
  const file = (name: string) => join(sshd.dir, name);

  test('is taken, and what was set is run by sh', async () => {
    expect(await reboot(`echo "it's $((40 + 2))" >${file('made')} && true`)).toEqual({ ok: true });
    expect(readFileSync(file('made'), 'utf8')).toBe("it's 42\n");
  });

  test('is taken where it cuts the connection, or ends the shell', async () => {
    // The shell's parent is the sshd of this connection.
    const cut = `touch ${file('cut')}; grep -q sshd /proc/$PPID/comm && kill -9 $PPID`;
    expect(await reboot(cut)).toEqual({ ok: true });
    expect(existsSync(file('cut'))).toBe(true);
    expect(await reboot('kill -TERM $$')).toEqual({ ok: true });
  });

  test('fails where the command does', async () => {
    expect(await reboot('no-such-program now')).toEqual({
      ok: false,
      reason: expect.stringMatching(/^no-such-program now on 127\.0\.0\.1 failed: .*not found$/),
    });
    expect(await reboot('exit 1')).toEqual({ ok: false, reason: 'exit 1 on 127.0.0.1 failed: status 1' });
    expect(await reboot('printf "\\033]0;x\\007 needs a password" >&2; exit 1')).toEqual({
      ok: false,
      reason: expect.stringMatching(/failed: +\]0;x +needs a password$/),
    });
  });

  test('fails where nobody takes it', async () => {
    expect(await reboot('true', { address: '127.0.0.3' })).toEqual({ ok: false, reason: expect.stringContaining('ssh to 127.0.0.3: ') });
    expect(
      reasonOf(
        await reboot('true', {
          more: ['IdentityFile=/dev/null', 'IdentitiesOnly=yes', `UserKnownHostsFile=${file('unknown')}`, 'StrictHostKeyChecking=yes'],
        }),
      ),
    ).toContain('Host key verification failed');
    // A key that is only good for something else answers with success.
    const key = readFileSync(file('client.pub'), 'utf8');
    writeFileSync(file('authorized_keys'), `command="echo welcome" ${key}`);
    try {
      expect(await reboot(`touch ${file('forced')}`)).toEqual({ ok: false, reason: 'ssh to 127.0.0.1: welcome' });
      expect(existsSync(file('forced'))).toBe(false);
    } finally {
      writeFileSync(file('authorized_keys'), key);
    }
  });

  test('fails where the host does not answer any more', async () => {
    freeze(sshd.pid);
    try {
      expect(reasonOf(await reboot('true', { more: ['ConnectTimeout=1'] }))).toContain('timed out');
    } finally {
      process.kill(sshd.pid, 'SIGCONT');
    }
  });

  test('goes to addresses only: nothing else reaches ssh', async () => {
    for (const address of ['', '-oProxyCommand=touch made-by-address', 'localhost', '127.0.0.1; touch x', '$(touch x)', '127.0.0.1 -p 1'])
      expect(reasonOf(await reboot(`touch ${file('tricked')}`, { address }))).toContain('is no address of a node');
    expect(existsSync(file('tricked'))).toBe(false);
  });
});

describe('a machine is replaced by the command of the user', () => {
  let dir: string;

  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'hale-replace-'));
  });

  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  const HOST = { node: 'cp1', address: '10.0.0.11' };
  const remote = (words: string[], ...lines: string[]) => {
    const path = join(dir, 'replace');
    writeFileSync(path, `#!/bin/sh\ncd ${dir}\n${lines.join('\n')}\n`, { mode: 0o700 });
    const { ssh, replaceCommand } = heal.parse({ replaceCommand: [path, ...words] });
    return createRemote({ ssh, ...(replaceCommand === undefined ? {} : { replaceCommand }) });
  };

  test('which is told of it by words and by its environment', async () => {
    const { replace } = remote(['{node}', '--bmc={bmc}'], 'echo "$* $HALE_NODE $HALE_ADDRESS $HALE_PROVIDER_ID" >told');
    expect(await replace({ ...HOST, bmc: '10.1.0.11', providerId: 'aws:///eu-1a/i-1' })).toEqual({ ok: true });
    expect(readFileSync(join(dir, 'told'), 'utf8')).toBe('cp1 --bmc=10.1.0.11 cp1 10.0.0.11 aws:///eu-1a/i-1\n');
    expect(reasonOf(await replace(HOST))).toContain('set `bmc` of that host in cluster.yaml');
  });

  test('whose last line is the reason when it fails, short and printable', async () => {
    const { replace } = remote([], 'echo begin', 'printf "no \\033[1mroom" >&2', 'exit 4');
    expect(await replace(HOST)).toEqual({ ok: false, reason: expect.stringMatching(/replace failed: no {2}\[1mroom$/) });
    expect(reasonOf(await remote([], 'head -c 5000 /dev/zero | tr "\\0" x; exit 1').replace(HOST))).toMatch(/failed: x{300}$/);
    expect(reasonOf(await remote([], 'exit 9').replace(HOST))).toContain('failed: status 9');
    rmSync(join(dir, 'replace'));
    const { ssh } = heal.parse({});
    expect(reasonOf(await createRemote({ ssh, replaceCommand: [join(dir, 'replace')] }).replace(HOST))).toContain('cannot be run');
    expect(reasonOf(await createRemote({ ssh }).replace(HOST))).toContain('heal.replaceCommand is not set');
  });

  test('which is not run for a name that no Node can have', async () => {
    const { replace } = remote([], 'touch ran');
    for (const node of ['$(reboot)', '-oProxyCommand=x', '']) expect(await replace({ ...HOST, node })).toMatchObject({ ok: false });
    expect(existsSync(join(dir, 'ran'))).toBe(false);
  });
});
