import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { HaleError } from '../../src/base/error.ts';
import { kubeconfigText } from '../../src/core/pki/kubeconfig.ts';
import { readKubeconfig } from '../../src/drivers/kubernetes/kubeconfig.ts';
import { createAuthority, type KeyPair } from '../../src/drivers/pki/authority.ts';

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const TOKEN = 'eyJhbGciOi.c2VjcmV0LXRva2Vu.c2lnbmF0dXJl';

type Section = Record<string, unknown>;
interface Config extends Section {
  clusters: { name: string; cluster: Section }[];
  users: { name: string; user: Section }[];
  contexts: { name: string; context: Section }[];
}

const cluster = (config: Config): Section => config.clusters[0]?.cluster as Section;
const user = (config: Config): Section => config.users[0]?.user as Section;

describe('kubeconfig', () => {
  const dir = mkdtempSync(join(tmpdir(), 'hale-kubeconfig-'));
  const file = join(dir, 'a.conf');
  let caPem: string;
  let pair: KeyPair;
  let otherKey: string;

  beforeAll(async () => {
    const authority = await createAuthority({ commonName: 'kubernetes', validityDays: 1 });
    const request = { commonName: 'admin', dnsNames: [], ipAddresses: [], usages: ['client'] as const, validityDays: 1 };
    [caPem, pair, otherKey] = [authority.certPem, await authority.issue(request), (await authority.issue(request)).keyPem];
  });
  afterAll(() => rmSync(dir, { recursive: true }));

  function write(change: (config: Config) => void = () => {}): string {
    const facts = { clusterName: 'prod', server: 'https://10.0.0.100:6443', user: 'admin', caPem, ...pair };
    const config = parse(kubeconfigText(facts, base64)) as Config;
    user(config)['token'] = TOKEN;
    change(config);
    writeFileSync(file, stringify(config));
    return file;
  }

  function refusal(path: string): HaleError {
    try {
      readKubeconfig(path);
    } catch (error) {
      if (error instanceof HaleError) return error;
      throw error;
    }
    throw new Error('it was read');
  }

  test('that hale makes is read', () => {
    expect(readKubeconfig(write())).toEqual({
      file,
      host: '10.0.0.100',
      port: 6443,
      basePath: '',
      serverName: undefined,
      ca: caPem,
      client: { cert: pair.certPem, key: pair.keyPem },
      token: TOKEN,
      sources: [file],
    });
  });

  test('files are named relative to its folder, and data goes before files', () => {
    writeFileSync(join(dir, 'ca.pem'), caPem);
    writeFileSync(join(dir, 'user.key'), pair.keyPem);
    write((config) => {
      Object.assign(cluster(config), {
        'certificate-authority-data': '',
        'certificate-authority': 'ca.pem',
        server: 'https://[fd00::1]/k/',
      });
      Object.assign(user(config), { 'client-certificate': 'is-not-read', 'client-key': './user.key' });
      delete user(config)['client-key-data'];
    });
    expect(readKubeconfig(file)).toMatchObject({
      host: 'fd00::1',
      port: 443,
      basePath: '/k',
      ca: caPem,
      client: { cert: pair.certPem, key: pair.keyPem },
      sources: [file, join(dir, 'ca.pem'), join(dir, 'user.key')],
    });
  });

  test('the current context is the one that is used', () => {
    write((config) => {
      config.clusters.unshift({ name: 'other', cluster: { server: 'https://other:1' } });
      config.contexts.unshift({ name: 'first', context: { cluster: 'other', user: 'admin' } });
    });
    expect(readKubeconfig(file).host).toBe('10.0.0.100');
    write((config) => {
      config.clusters.unshift({ name: 'other', cluster: { server: 'https://other:1' } });
      config.contexts.unshift({ name: 'first', context: { cluster: 'other', user: 'admin' } });
      config['current-context'] = 'first';
    });
    expect(readKubeconfig(file)).toMatchObject({ host: 'other', port: 1, ca: undefined });
  });

  const wrong: [string, (config: Config) => void, string][] = [
    ['no context', (c) => delete c['current-context'], 'current-context is not set'],
    [
      'a context that is not there',
      (c) => (c['current-context'] = TOKEN),
      'contexts has no context with the name that stands at current-context',
    ],
    [
      'a cluster that is not there',
      (c) => (c.clusters = []),
      'clusters has no cluster with the name that stands at contexts[0].context.cluster',
    ],
    [
      'a user that is not there',
      (c) => ((c.users[0] as Section)['name'] = 'y'),
      'users has no user with the name that stands at contexts[0].context.user',
    ],
    ['http', (c) => (cluster(c)['server'] = `http://u:${TOKEN}@h`), 'clusters[0].cluster.server is not a plain https URL'],
    ['no server', (c) => delete cluster(c)['server'], 'clusters[0].cluster.server is not set'],
    ['no text', (c) => (user(c)['token'] = 7), 'users[0].user.token is not a text'],
    ['a token of two lines', (c) => (user(c)['token'] = `${TOKEN}\n${TOKEN}`), 'users[0].user.token is no bearer token'],
    [
      'a CA that is none',
      (c) => (cluster(c)['certificate-authority-data'] = base64(TOKEN)),
      'certificate-authority-data is no certificate',
    ],
    ['a key that is none', (c) => (user(c)['client-key-data'] = base64(TOKEN)), 'users[0].user.client-key-data is no private key'],
    [
      'the key of another',
      (c) => (user(c)['client-key-data'] = base64(otherKey)),
      'client-key-data is not the key of users[0].user.client-cer',
    ],
    ['no key', (c) => delete user(c)['client-key-data'], 'users[0].user.client-key is not set, but client-certificate is'],
    [
      'trust in anybody',
      (c) => (cluster(c)['insecure-skip-tls-verify'] = true),
      'insecure-skip-tls-verify is not supported: it would trust',
    ],
    ['a plug-in', (c) => (user(c)['exec'] = { command: TOKEN }), 'users[0].user.exec is not supported: it would run another program'],
    [
      'a file that is not there',
      (c) => (user(c)['tokenFile'] = 'none'),
      `users[0].user.tokenFile: ${join(dir, 'none')} cannot be read: ENOENT`,
    ],
  ];
  test.each(wrong)('%s is refused, with file, key and way out', (_, change, message) => {
    const error = refusal(write(change));
    expect(error.message).toContain(`${file}: `);
    expect(error.message).toContain(message);
    expect(error.remedy).toBeTruthy();
  });

  test('no error repeats what stands in it', () => {
    const [keyLine] = pair.keyPem.split('\n').slice(1);
    const secrets = [TOKEN, keyLine as string, base64(pair.keyPem).slice(0, 40)];
    for (const [, change] of wrong) {
      const { message, remedy = '' } = refusal(write(change));
      for (const secret of secrets) expect(`${message} ${remedy}`).not.toContain(secret);
    }
    write();
    for (const text of [`token: "${TOKEN}`, `a: b: ${TOKEN}`, `? ${TOKEN}\n${TOKEN}`, `*${TOKEN}`, TOKEN, `- ${TOKEN}: {`, `%${TOKEN}`]) {
      writeFileSync(file, text);
      const error = refusal(file);
      for (const said of [error.message, error.remedy ?? '', String(error.cause ?? '')]) expect(said).not.toContain(TOKEN);
    }
  });

  test('one that is not there is named', () => {
    expect(refusal(join(dir, 'none.conf'))).toMatchObject({
      code: 'kubeconfig_unreadable',
      message: `${join(dir, 'none.conf')} cannot be read: ENOENT`,
    });
  });
});
