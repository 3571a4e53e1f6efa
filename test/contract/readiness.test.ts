import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:https';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { HttpsReadiness } from '../../src/drivers/kubernetes/readiness.ts';
import { type Authority, createAuthority, type KeyPair } from '../../src/drivers/pki/authority.ts';
import { writeKeyPair } from '../../src/drivers/pki/files.ts';
import { until } from '../support/hale.ts';

const SERVER = `const { readFileSync: read } = require('node:fs');
const [dir] = process.argv.slice(1);
const server = require('node:https').createServer({ cert: read(dir + '/server.crt'), key: read(dir + '/server.key') }, (_, res) => res.end('ok'));
server.listen(0, '127.0.0.1', () => console.log(server.address().port));`;

describe('what becomes of the connection that is kept to an API server', () => {
  const dir = mkdtempSync(join(tmpdir(), 'hale-readiness-'));
  let authority: Authority;
  let pair: KeyPair;
  let probe: HttpsReadiness;
  let disconnected: string[] = [];
  let child: ChildProcess | undefined;
  let server: Server | undefined;

  beforeAll(async () => {
    authority = await createAuthority({ commonName: 'kubernetes', validityDays: 1 });
    pair = await authority.issue({ commonName: 's', dnsNames: [], ipAddresses: ['127.0.0.1'], usages: ['server'], validityDays: 1 });
    writeFileSync(join(dir, 'ca.crt'), authority.certPem);
    writeKeyPair(dir, 'server', pair);
  });
  afterEach(() => {
    probe.close();
    child?.kill('SIGKILL');
    server?.closeAllConnections();
    server?.close();
  });
  afterAll(() => rmSync(dir, { recursive: true }));

  function open(): void {
    probe = new HttpsReadiness({ caFile: join(dir, 'ca.crt') });
    disconnected = [];
    probe.onDisconnect((name) => disconnected.push(name));
  }

  async function serve(handler: Parameters<typeof createServer>[1]): Promise<number> {
    server = createServer({ cert: pair.certPem, key: pair.keyPem }, handler).listen(0, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  }

  const heard = () =>
    until(
      () => disconnected,
      (names) => names.length > 0,
      'the end of the connection',
    );
  const target = (port: number) => ({ name: 'cp1', address: '127.0.0.1', port });

  test('a killed one is heard, without another probe', async () => {
    open();
    child = spawn(process.execPath, ['-e', SERVER, dir], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [port] = (await once(child.stdout as NodeJS.ReadableStream, 'data')) as [Buffer];
    for (let i = 0; i < 3; i++) expect(await probe.probe(target(Number(port)), 5000)).toEqual({ outcome: 'ready' });
    expect(disconnected).toEqual([]);
    child.kill('SIGKILL');
    expect(await heard()).toEqual(['cp1']);
    expect(await probe.probe(target(Number(port)), 5000)).toMatchObject({ outcome: 'refused' });
  });

  test('one that closes in order is heard too', async () => {
    open();
    const port = await serve((_, res) => res.end('ok'));
    expect(await probe.probe(target(port), 5000)).toEqual({ outcome: 'ready' });
    server?.closeAllConnections();
    expect(await heard()).toEqual(['cp1']);
  });

  test('one that does not answer in time is not taken for one that closed', async () => {
    open();
    let silent = false;
    const port = await serve((_, res) => (silent ? undefined : res.end('ok')));
    expect(await probe.probe(target(port), 5000)).toEqual({ outcome: 'ready' });
    silent = true;
    expect(await probe.probe(target(port), 50)).toMatchObject({ outcome: 'silent' });
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(disconnected).toEqual([]);
  });

  test('a certificate that is no good any more is seen, although the kept connection goes on; the right one brings it back', async () => {
    open();
    const port = await serve((_, res) => res.end('ok'));
    const ask = () => probe.probe(target(port), 5000);
    expect(await ask()).toEqual({ outcome: 'ready' });
    const names = { commonName: 's', dnsNames: [], ipAddresses: ['127.0.0.1'], usages: ['server'] as const };
    const foreign = await (await createAuthority({ commonName: 'kubernetes', validityDays: 1 })).issue({ ...names, validityDays: 1 });
    const expired = await authority.issue({ ...names, validityDays: -1 / 1440 });
    for (const { certPem, keyPem } of [foreign, expired]) {
      server?.setSecureContext({ cert: certPem, key: keyPem });
      const refused = await until(ask, ({ outcome }) => outcome !== 'ready', 'the certificate is looked at again');
      expect(refused).toEqual({
        outcome: 'not-ready',
        reason: expect.stringMatching(/^its certificate is refused: (certificate has expired|unable to verify|unable to get local issuer)/),
      });
      server?.setSecureContext({ cert: pair.certPem, key: pair.keyPem });
      expect(await ask()).toEqual({ outcome: 'ready' });
    }
    expect(disconnected).toEqual([]);
  });
});
