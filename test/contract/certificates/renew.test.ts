import { spawn } from 'node:child_process';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { once } from 'node:events';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { parseKubeconfig } from '../../../src/core/pki/current-context.ts';
import { certificateProblems } from '../../../src/core/pki/certificate.ts';
import { readAuthority } from '../../../src/drivers/pki/authority.ts';
import { createClusterPki } from '../../../src/drivers/pki/create.ts';
import { readCertificates } from '../../../src/drivers/pki/read.ts';
import { planRenewals, renew } from '../../../src/drivers/pki/renew.ts';
import { isHalfRenewed, settlePair } from '../../../src/drivers/pki/replace.ts';
import { type CertificateFolder, certificateFolder, haleCertificates, openssl, opensslMissing } from '../../support/certificates.ts';
import { IS_MACHINE_ROOT } from '../../support/user.ts';

const ROOT = join(import.meta.dirname, '../../..');
let template: CertificateFolder;
let at: CertificateFolder;
beforeAll(async () => {
  template = certificateFolder();
  await createClusterPki(template);
});
afterAll(() => template.remove());
beforeEach(() => {
  at = certificateFolder();
  cpSync(template.folderOf('cp1'), at.folderOf('cp1'), { recursive: true });
});
afterEach(() => at.remove());

const certificate = (name: string, dir = at.pki) => new X509Certificate(readFileSync(join(dir, `${name}.crt`)));
const read = (file: string) => readFileSync(join(at.pki, file), 'utf8');
const isPair = (keyPath: string, path: string) =>
  new X509Certificate(readFileSync(path)).checkPrivateKey(createPrivateKey(readFileSync(keyPath)));
const state = () =>
  readCertificates(at.pki).map((file) => ('unreadable' in file ? file : [file.name, file.keyMatches, file.signedByAuthority]));
const traces = (dir = at.folderOf('cp1')) => readdirSync(dir, { recursive: true }).filter((file) => String(file).includes('.hale-'));
const renewHere = async (names: readonly string[] | 'all', cluster = at.cluster) =>
  await renew(at.pki, planRenewals({ dir: at.pki, cluster, host: at.host, names }));

describe('a renewal', () => {
  test('makes new keys and certificates of the same subjects, signed by the same authorities, which stay', async () => {
    const before = new Map(readCertificates(at.pki).map((file) => [file.name, file]));
    const bytes = (name: string) => readFileSync(before.get(name)?.path as string, 'utf8');
    const old = new Map([...before.keys()].map((name) => [name, bytes(name)]));
    await renewHere('all');
    for (const file of readCertificates(at.pki)) {
      const was = before.get(file.name);
      if ('unreadable' in file || was === undefined || 'unreadable' in was) throw new Error(`${file.name} cannot be read`);
      if (file.kind === 'authority') expect(bytes(file.name)).toBe(old.get(file.name));
      else expect(bytes(file.name)).not.toBe(old.get(file.name));
      expect({ ...file, notBefore: '', notAfter: '' }).toEqual({ ...was, notBefore: '', notAfter: '' });
    }
    expect(traces()).toEqual([]);
  });

  test('brings a new address of the endpoint in, keeps names that somebody added, and leads kubeconfigs there', async () => {
    const moved = certificateFolder({ endpoint: { address: '10.0.0.200', dnsName: 'k8s.example.com' } });
    moved.remove();
    const [plan] = planRenewals({ dir: at.pki, cluster: moved.cluster, host: moved.host, names: ['apiserver'] });
    expect(plan?.addedNames).toEqual(['k8s.example.com', '10.0.0.200']);
    await renewHere(['apiserver', 'admin.conf'], moved.cluster);
    const renewed = certificate('apiserver');
    expect(['10.0.0.200', '10.0.0.100'].map((address) => renewed.checkIP(address))).toEqual(['10.0.0.200', '10.0.0.100']);
    expect(['k8s.example.com', 'api.example.com'].map((name) => renewed.checkHost(name))).toEqual(['k8s.example.com', 'api.example.com']);
    const server = (file: string) => {
      const parsed = parseKubeconfig(readFileSync(join(dirname(at.pki), file), 'utf8'));
      return parsed.ok ? parsed.kubeconfig.server.url : parsed.fault;
    };
    expect([server('admin.conf'), server('super-admin.conf')]).toEqual(['https://k8s.example.com:6443', 'https://api.example.com:6443']);
  });

  test.skipIf(opensslMissing)(
    `keeps a subject that is not the plan's, in a kubeconfig too: rights hang on it ${opensslMissing ?? ''}`,
    async () => {
      const key = join(at.pki, 'apiserver-kubelet-client.key');
      const request = join(at.dir, 'a.csr');
      openssl('req', '-new', '-key', key, '-subj', '/C=CN/O=system:masters/CN=kube-apiserver-kubelet-client', '-out', request);
      const signed = ['-CA', join(at.pki, 'ca.crt'), '-CAkey', join(at.pki, 'ca.key'), '-CAcreateserial', '-days', '1'];
      openssl('x509', '-req', '-in', request, ...signed, '-out', join(at.pki, 'apiserver-kubelet-client.crt'));
      const kubeconfig = join(dirname(at.pki), 'admin.conf');
      const data = (path: string) => readFileSync(path).toString('base64');
      const text = readFileSync(kubeconfig, 'utf8')
        .replace(/client-certificate-data: .*/, `client-certificate-data: ${data(join(at.pki, 'apiserver-kubelet-client.crt'))}`)
        .replace(/client-key-data: .*/, `client-key-data: ${data(key)}`);
      writeFileSync(kubeconfig, text);
      await renewHere(['apiserver-kubelet-client', 'admin.conf']);
      const subjects = readCertificates(at.pki).flatMap((file) =>
        ['apiserver-kubelet-client', 'admin.conf'].includes(file.name) && 'subject' in file ? file.subject : [],
      );
      const same = 'C=CN, O=system:masters, CN=kube-apiserver-kubelet-client';
      expect(subjects).toEqual([same, same]);
    },
  );

  test.skipIf(!IS_MACHINE_ROOT)('leaves a pair with its owner, and the group its right to the key (skipped without root)', async () => {
    const [key, crt] = ['.key', '.crt'].map((ending) => join(at.pki, `etcd/server${ending}`)) as [string, string];
    for (const path of [key, crt]) chownSync(path, 4321, 4322);
    chmodSync(key, 0o644);
    await renewHere(['etcd/server']);
    const facts = (path: string) => [statSync(path).uid, statSync(path).gid, statSync(path).mode & 0o777];
    expect([facts(key), facts(crt)]).toEqual([
      [4321, 4322, 0o640],
      [4321, 4322, 0o644],
    ]);
  });

  test('makes what is missing only when it is named', async () => {
    const kubeconfig = join(dirname(at.pki), 'super-admin.conf');
    rmSync(kubeconfig);
    await renewHere('all');
    expect(existsSync(kubeconfig)).toBe(false);
    await renewHere(['super-admin.conf']);
    expect(statSync(kubeconfig).mode & 0o777).toBe(0o600);
  });

  test('touches nothing when it cannot sign all', async () => {
    rmSync(join(at.pki, 'etcd/ca.key'));
    const before = certificate('apiserver').fingerprint256;
    await expect(renewHere(['apiserver', 'etcd/server'])).rejects.toMatchObject({ code: 'authority_key_missing' });
    expect(certificate('apiserver').fingerprint256).toBe(before);
  });

  test('refuses authorities and names that it does not know', () => {
    const plan = (name: string) => () => planRenewals({ dir: at.pki, cluster: at.cluster, host: at.host, names: [name] });
    expect(plan('ca')).toThrow(expect.objectContaining({ code: 'authority_not_renewed' }));
    expect(plan('apiserve')).toThrow(expect.objectContaining({ code: 'certificate_unknown' }));
  });
});

describe('a renewal that is cut short at any change of a file', () => {
  /** Runs it on the tree as it was made. */
  async function attempt(cut: string, step: number): Promise<{ dir: string; status: number | null; said: string }> {
    const dir = join(at.dir, `${cut}-${step}`);
    cpSync(join(template.folderOf('cp1'), 'etc/kubernetes'), dir, { recursive: true });
    const args = [join(ROOT, 'test/support/cut-short.ts'), cut, `${step}`, join(dir, 'pki/apiserver'), join(dir, 'admin.conf'), at.dir];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => (said += chunk));
    const [status] = (await once(child, 'close')) as [number | null];
    return { dir, status, said };
  }

  /** Whether key and certificate differed; throws unless an old or new pair and a kubeconfig are there, and everything can be made whole. */
  function look(dir: string): boolean {
    const pki = join(dir, 'pki');
    const target = join(pki, 'apiserver');
    // A kubeconfig is one file: it is never anything but whole.
    expect(readCertificates(pki).find(({ name }) => name === 'admin.conf')).toMatchObject({ keyMatches: true, signedByAuthority: true });
    const half = !isPair(`${target}.key`, `${target}.crt`);
    if (half) expect(isPair(`${target}.key.hale-old`, `${target}.crt.hale-old`)).toBe(true);
    expect(isHalfRenewed(target)).toBe(half);
    settlePair(target);
    expect(isPair(`${target}.key`, `${target}.crt`)).toBe(true);
    expect(certificate('apiserver', pki).checkIssued(certificate('ca', pki))).toBe(true);
    expect(traces(pki)).toEqual([]);
    return half;
  }

  test.each(['kill', 'refuse'] as const)(
    '%s: a pair that belongs together is there, old or new, and the next renewal starts from a whole one',
    async (cut) => {
      const next = await readAuthority({ certPem: read('ca.crt'), keyPem: read('ca.key'), place: 'ca' });
      const pair = await next.issue({
        commonName: 'kube-apiserver',
        dnsNames: ['new'],
        ipAddresses: [],
        usages: ['server'],
        validityDays: 1,
      });
      writeFileSync(join(at.dir, 'new.crt'), pair.certPem);
      writeFileSync(join(at.dir, 'new.key'), pair.keyPem, { mode: 0o600 });
      copyFileSync(join(dirname(at.pki), 'super-admin.conf'), join(at.dir, 'new.conf'));
      const halves: number[] = [];
      let step = 1;
      for (let done = false; !done; step++) {
        const { dir, status, said } = await attempt(cut, step);
        done = status === 0;
        if (!done)
          expect([step, status, said]).toEqual(
            cut === 'kill' ? [step, null, ''] : [step, 1, expect.stringMatching(/^(certificate_not_replaced|old_certificate_left)$/)],
          );
        if (look(dir)) halves.push(step);
      }
      // Only who is killed between the two renames leaves a half: what is refused is taken back at once.
      expect(halves).toHaveLength(cut === 'kill' ? 1 : 0);
      expect(step).toBeGreaterThan(20);
    },
    300_000,
  );
});

describe('hale certificates renew', () => {
  const run = (...args: string[]) => haleCertificates('renew', ...args, '--dir', at.pki, '--config', at.file, '--host', 'cp1');

  test('shows what it would do, and does it only when it is told to', () => {
    const before = certificate('apiserver').fingerprint256;
    expect(run('apiserver', '--dry-run')).toMatchObject({ code: 0, stdout: expect.stringContaining('apiserver') });
    expect(run('apiserver')).toMatchObject({ code: 2, stderr: expect.stringContaining('not_confirmed') });
    expect(certificate('apiserver').fingerprint256).toBe(before);
    const { code, stdout } = run('apiserver', 'scheduler.conf', '--yes');
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringContaining('restart kube-scheduler (scheduler.conf)') });
    expect(certificate('apiserver').fingerprint256).not.toBe(before);
    expect(state()).toEqual(expect.arrayContaining([['apiserver', true, true]]));
  });

  test('needs names or --all, not both, and a host that there is', () => {
    expect(run('--yes').code).toBe(2);
    expect(run('apiserver', '--all', '--yes').code).toBe(2);
    expect(haleCertificates('renew', '--all', '--dir', at.pki, '--config', at.file, '--host', 'cp9')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('host_unknown'),
    });
  });
});

describe('hale certificates show', () => {
  const show = (cluster = at.cluster, days = 30) =>
    readCertificates(at.pki).flatMap((file) =>
      certificateProblems(file, { nowMs: Date.now(), days, cluster }).map(({ code }) => `${file.name}: ${code}`),
    );
  const path = (name: string) => join(at.pki, name);

  /** A certificate of the API server's key, with all its names, for other days and from another authority. */
  function sign({ from, to, ca = 'ca' }: { from: string; to: string; ca?: string }): void {
    const [request, database] = [join(at.dir, 'x.csr'), join(at.dir, 'index.txt')];
    openssl('req', '-new', '-key', path('apiserver.key'), '-subj', '/CN=kube-apiserver', '-out', request);
    const config = `[ca]\ndefault_ca = one\n[one]\ndatabase = ${database}\nnew_certs_dir = ${at.dir}\nrand_serial = yes\ndefault_md = sha256\npolicy = any\nunique_subject = no\n[any]\ncommonName = supplied\n[v3]\nsubjectAltName = IP:10.0.0.100, DNS:api.example.com\n`;
    writeFileSync(database, '');
    writeFileSync(join(at.dir, 'x.cnf'), config);
    const signer = ['-cert', path(`${ca}.crt`), '-keyfile', path(`${ca}.key`), '-startdate', from, '-enddate', to];
    openssl(
      'ca',
      '-batch',
      '-notext',
      '-config',
      join(at.dir, 'x.cnf'),
      '-extensions',
      'v3',
      ...signer,
      '-in',
      request,
      '-out',
      path('apiserver.crt'),
    );
  }

  test('is content with what was made', () => {
    expect(show()).toEqual([]);
  });

  test.skipIf(opensslMissing).each([
    ['expired', () => sign({ from: '20200101000000Z', to: '20210101000000Z' }), 'apiserver: expired'],
    ['not yet valid', () => sign({ from: '20950101000000Z', to: '20960101000000Z' }), 'apiserver: not-yet-valid'],
    [
      'of another authority',
      () => sign({ from: '20260101000000Z', to: '20960101000000Z', ca: 'front-proxy-ca' }),
      'apiserver: wrong-authority',
    ],
    ['with a swapped key', () => copyFileSync(path('front-proxy-client.key'), path('apiserver.key')), 'apiserver: key-mismatch'],
    ['without its key', () => rmSync(path('apiserver.key')), 'apiserver: key-missing'],
    ['with a key that the world reads', () => chmodSync(path('apiserver.key'), 0o644), 'apiserver: key-readable'],
    ['that is garbage', () => writeFileSync(path('apiserver.crt'), 'garbage'), 'apiserver: unreadable'],
    [
      'that is garbage in PEM',
      () => writeFileSync(path('apiserver.crt'), '-----BEGIN CERTIFICATE-----\nZ2FyYmFnZQ==\n-----END CERTIFICATE-----\n'),
      'apiserver: unreadable',
    ],
    ['a kubeconfig that the world reads', () => chmodSync(join(dirname(at.pki), 'admin.conf'), 0o644), 'admin.conf: key-readable'],
    ['a kubeconfig that is garbage', () => writeFileSync(join(dirname(at.pki), 'admin.conf'), 'a: ['), 'admin.conf: unreadable'],
  ] as const)(`names one %s, and no other ${opensslMissing ?? ''}`, (_, damage, finding) => {
    damage();
    expect(show()).toEqual([finding]);
  });

  test('names a certificate that lacks the address of the endpoint, and one that ends soon', () => {
    const { cluster, remove } = certificateFolder({ endpoint: { address: '10.0.0.200' } });
    remove();
    expect(show(cluster)).toEqual(['apiserver: names-missing']);
    expect(show(at.cluster, 366).filter((one) => !one.endsWith('ends-soon'))).toEqual([]);
    expect(show(at.cluster, 366)).toHaveLength(11);
  });

  test('says it in words, with exit code 1, and no part of a key', () => {
    const run = (...more: string[]) => haleCertificates('show', '--dir', at.pki, '--config', at.file, ...more);
    expect(run()).toMatchObject({ code: 0, stdout: expect.stringMatching(/^apiserver .* good$/m) });
    rmSync(path('apiserver.key'));
    const { code, stdout } = run('--json');
    expect(code).toBe(1);
    const { certificates } = JSON.parse(stdout) as { certificates: { name: string; problems: object[] }[] };
    expect(certificates.filter(({ problems }) => problems.length > 0)).toMatchObject([
      { name: 'apiserver', problems: [{ code: 'key-missing' }] },
    ]);
    expect(stdout).not.toContain('PRIVATE KEY');
  });

  test('a kubeconfig that cannot be read is named with the place, and nothing that stands there', () => {
    const secret = 'c2VjcmV0LXRva2Vu';
    const run = () => haleCertificates('show', '--dir', at.pki, '--config', at.file);
    for (const [text, place] of [
      [`users:\n  token: "${secret}\n`, 'admin.conf: line '],
      [`current-context: ${secret}\n`, 'admin.conf: contexts has no context with the name that stands at current-context'],
    ] as const) {
      writeFileSync(join(dirname(at.pki), 'admin.conf'), text);
      const { code, stdout, stderr } = run();
      expect({ code, stdout }).toEqual({ code: 1, stdout: expect.stringContaining(place) });
      expect(stdout + stderr).not.toContain(secret);
    }
  });

  test('everything is foreign beside another authority', async () => {
    const other = certificateFolder();
    await createClusterPki(other);
    for (const file of ['ca.crt', 'ca.key']) copyFileSync(join(other.pki, file), path(file));
    other.remove();
    expect([...new Set(show())].toSorted()).toEqual(
      ['apiserver', 'apiserver-kubelet-client', 'admin.conf', 'controller-manager.conf', 'scheduler.conf', 'super-admin.conf']
        .map((name) => `${name}: wrong-authority`)
        .toSorted(),
    );
  });

  test('a renewal that was cut short is named', () => {
    for (const ending of ['.key', '.crt']) copyFileSync(path(`apiserver${ending}`), path(`apiserver${ending}.hale-old`));
    copyFileSync(path('front-proxy-client.key'), path('apiserver.key'));
    expect(show()).toEqual(['apiserver: half-renewed', 'apiserver: key-mismatch']);
  });

  test('a folder that is not there', () => {
    expect(haleCertificates('show', '--dir', join(at.dir, 'none'))).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('certificates_folder_missing'),
    });
  });
});
