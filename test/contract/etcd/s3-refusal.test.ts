import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createAuthority } from '../../../src/drivers/pki/authority.ts';
import { s3Failure } from '../../../src/drivers/snapshot/s3-client.ts';
import { hale, type HaleRun } from '../../support/hale.ts';

/** No name of Amazon's gives it away as a key. */
const ACCESS_KEY = 'an-access-key-0123';
const SECRET_KEY = 'a-secret-key-4567';
const TOKEN = 'a-session-token-8901';
const VARIABLES = { AWS_ACCESS_KEY_ID: ACCESS_KEY, AWS_SECRET_ACCESS_KEY: SECRET_KEY, AWS_SESSION_TOKEN: TOKEN };

let folder: string;
let server: Server;

/** Refuses with all that it was asked with, and all that it knows. */
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'hale-s3-'));
  const authority = await createAuthority({ commonName: 's3-ca', validityDays: 1 });
  const pair = await authority.issue({ commonName: 's3', dnsNames: [], ipAddresses: ['127.0.0.1'], usages: ['server'], validityDays: 1 });
  writeFileSync(join(folder, 'ca.crt'), authority.certPem);
  server = createServer({ cert: pair.certPem, key: pair.keyPem }, ({ headers }, response) => {
    const { authorization, 'x-amz-security-token': token } = headers;
    const message = `${authorization} ${String(token)} of ${ACCESS_KEY} with ${SECRET_KEY}`;
    response.writeHead(403, { 'content-type': 'application/xml' });
    response.end(`<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>${message}</Message></Error>`);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
});

afterAll(() => {
  server?.close();
  if (folder !== undefined) rmSync(folder, { recursive: true });
});

const list = (...more: string[]): Promise<HaleRun> => {
  const endpoint = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return hale(['etcd', 'snapshot', 'list', 's3://bucket/', '--s3-endpoint', endpoint, '--s3-ca', join(folder, 'ca.crt'), ...more]);
};

function expectHidden({ code, stdout, stderr }: HaleRun): void {
  expect([code, stderr]).toEqual([3, expect.stringContaining('AccessDenied')]);
  expect(stderr).toContain('(hidden)');
  for (const secret of [ACCESS_KEY, SECRET_KEY, TOKEN]) expect(`${stdout}${stderr}`).not.toContain(secret);
  expect(stderr).not.toMatch(/Signature=[0-9a-f]/);
}

test('a server that repeats credentials from the environment does not make hale show them', async () => {
  Object.assign(process.env, VARIABLES);
  try {
    expectHidden(await list());
  } finally {
    for (const name of Object.keys(VARIABLES)) delete process.env[name];
  }
});

test('nor those of a file', async () => {
  const file = join(folder, 'credentials');
  const lines = Object.entries(VARIABLES).map(([name, value]) => `${name.toLowerCase()} = ${value}`);
  writeFileSync(file, ['[default]', ...lines, ''].join('\n'), { mode: 0o600 });
  expectHidden(await list('--s3-credentials', file));
});

test("nor is the SDK's own error kept, which holds the signed request", () => {
  const error = Object.assign(new Error('refused'), { $response: { headers: VARIABLES } });
  const failure = s3Failure('listing', { bucket: 'bucket' }, error);
  expect(failure.cause).toBeUndefined();
  expect(inspect(failure, { depth: null })).not.toContain(SECRET_KEY);
});
