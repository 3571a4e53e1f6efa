import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { globSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { certificateProblems } from '../../../src/core/pki/certificate.ts';
import { clusterAuthorities, hostCertificates } from '../../../src/core/pki/plan.ts';
import { createClusterPki } from '../../../src/drivers/pki/create.ts';
import { readCertificates } from '../../../src/drivers/pki/read.ts';
import { findKubernetesProgram } from '../../../src/lab/kubernetes/programs.ts';
import { type CertificateFolder, certificateFolder, openssl, opensslMissing } from '../../support/certificates.ts';

let at: CertificateFolder;
beforeEach(() => {
  at = certificateFolder();
});
afterEach(() => at.remove());

const create = () => createClusterPki(at);
/** Contents by path, of everything below the hosts' folders. */
const contents = () => new Map(filesOf('**/*').map((file) => [file, readFileSync(join(at.dir, 'out', file), 'utf8')]));
const filesOf = (pattern: string) =>
  globSync(pattern, { cwd: join(at.dir, 'out'), withFileTypes: true })
    .filter((one) => one.isFile())
    .map((one) => join(one.parentPath, one.name).slice(join(at.dir, 'out/').length));
const findings = (dir = at.pki) => {
  const options = { nowMs: Date.now(), days: 30, cluster: at.cluster };
  return readCertificates(dir).flatMap((file) => certificateProblems(file, options).map(({ code }) => `${file.name}: ${code}`));
};

describe('a tree of certificates', () => {
  test("is whole and good on every host; keys are their owner's, authorities everybody's", async () => {
    await create();
    for (const name of ['cp1', 'cp2', 'cp3']) expect(findings(join(at.folderOf(name), 'etc/kubernetes/pki'))).toEqual([]);
    const modes = (pattern: string) => [...new Set(filesOf(pattern).map((file) => statSync(join(at.dir, 'out', file)).mode & 0o777))];
    expect([modes('**/*.key'), modes('**/*.conf'), modes('**/*.{crt,pub}')]).toEqual([[0o600], [0o600], [0o644]]);
    for (const shared of ['ca.crt', 'ca.key', 'etcd/ca.key', 'front-proxy-ca.key', 'sa.key', 'sa.pub']) {
      expect(new Set(filesOf(`*/etc/kubernetes/pki/${shared}`).map((file) => contents().get(file))).size).toBe(1);
    }
    expect(filesOf('**/*hale-new')).toEqual([]);
  });

  test.skipIf(opensslMissing)(`passes openssl: chains, purposes, and the service accounts' keys ${opensslMissing ?? ''}`, async () => {
    await create();
    for (const { path, authority, usages } of hostCertificates(at.cluster, at.host)) {
      for (const usage of usages) {
        const purpose = usage === 'server' ? 'sslserver' : 'sslclient';
        const args = ['-x509_strict', '-purpose', purpose, '-CAfile', join(at.pki, `${authority}.crt`), join(at.pki, `${path}.crt`)];
        expect(openssl('verify', ...args)).toContain(': OK');
      }
    }
    expect(() => openssl('verify', '-CAfile', join(at.pki, 'etcd/ca.crt'), join(at.pki, 'apiserver.crt'))).toThrow(/verif/);
    expect(openssl('pkey', '-in', join(at.pki, 'sa.key'), '-pubout')).toBe(readFileSync(join(at.pki, 'sa.pub'), 'utf8'));
  });

  test('made again changes nothing, and fills only what is missing', async () => {
    await create();
    const before = contents();
    const gone = ['cp1/etc/kubernetes/pki/apiserver.crt', 'cp2/etc/kubernetes/pki/ca.key', 'cp3/etc/kubernetes/scheduler.conf'];
    expect((await create()).made).toEqual([]);
    for (const file of gone) rmSync(join(at.dir, 'out', file));
    const { made } = await create();
    expect(made.map((path) => path.slice(join(at.dir, 'out/').length)).toSorted()).toEqual(gone.toSorted());
    const after = contents();
    for (const [file, text] of before) if (!gone.includes(file)) expect(after.get(file)).toBe(text);
    // The key that was left without its certificate is kept, the authority's comes back.
    expect(after.get('cp2/etc/kubernetes/pki/ca.key')).toBe(before.get('cp2/etc/kubernetes/pki/ca.key'));
    expect(findings()).toEqual([]);
  });

  test('does not mix two authorities', async () => {
    await create();
    const other = certificateFolder();
    try {
      await createClusterPki(other);
      renameSync(join(other.pki, 'ca.crt'), join(at.folderOf('cp3'), 'etc/kubernetes/pki/ca.crt'));
      await expect(create()).rejects.toMatchObject({
        code: 'authorities_differ',
        message: expect.stringContaining('cp3/etc/kubernetes/pki/ca.crt'),
      });
    } finally {
      other.remove();
    }
  });

  test('an authority whose key is elsewhere is enough while nothing has to be signed', async () => {
    await create();
    for (const file of filesOf('**/pki/ca.key')) rmSync(join(at.dir, 'out', file));
    expect((await create()).made).toEqual([]);
    rmSync(join(at.pki, 'apiserver.crt'));
    await expect(create()).rejects.toMatchObject({ code: 'authority_key_missing' });
  });

  test("half of the service accounts' key is not replaced by another whole", async () => {
    await create();
    for (const file of filesOf('**/sa.key')) rmSync(join(at.dir, 'out', file));
    await expect(create()).rejects.toMatchObject({ code: 'service_account_key_unusable' });
  });
});

/** Keys as kubeadm (`encryptionAlgorithm`), cfssl (PKCS#1, SEC1) and openssl (PKCS#8) write them. */
const KEYS: Record<string, string[]> = {
  'RSA 2048, PKCS#1': ['genrsa', '-traditional', '2048'],
  'RSA 3072, PKCS#8': ['genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:3072'],
  'RSA 4096, PKCS#1': ['genrsa', '-traditional', '4096'],
  'ECDSA P-256, SEC1': ['ecparam', '-name', 'prime256v1', '-genkey', '-noout'],
  'ECDSA P-384, SEC1': ['ecparam', '-name', 'secp384r1', '-genkey', '-noout'],
  'ECDSA P-384, PKCS#8': ['genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-384'],
};

function makeAuthority(command: string[], extra: string[] = []): void {
  mkdirSync(at.pki, { recursive: true });
  const [key, certificate] = [join(at.pki, 'ca.key'), join(at.pki, 'ca.crt')];
  writeFileSync(key, openssl(...command), { mode: 0o600 });
  // The fields that cfssl's examples have, and a subject longer than one name.
  const subject = '/C=CN/ST=Beijing/L=Beijing/O=k8s/OU=System/CN=kubernetes';
  openssl(
    'req',
    '-x509',
    '-new',
    '-key',
    key,
    '-subj',
    subject,
    '-days',
    '3650',
    '-addext',
    'keyUsage=critical,keyCertSign',
    '-out',
    certificate,
    ...extra,
  );
}

/** Go compares the bytes of the two names (crypto/x509, Certificate.Verify), so that their types of strings count too. */
function expectIssuerOf(ca: string, certificate: string): void {
  const named = (what: string, name: string) =>
    openssl('x509', '-noout', `-${what}`, '-nameopt', 'RFC2253,show_type', '-in', join(at.pki, `${name}.crt`)).slice(what.length);
  expect(named('issuer', certificate)).toBe(named('subject', ca));
}

describe.skipIf(opensslMissing)(`an authority that is there ${opensslMissing ?? ''}`, () => {
  test.each(Object.entries(KEYS))('signs: %s', async (_, command) => {
    makeAuthority(command);
    const before = ['ca.crt', 'ca.key'].map((file) => readFileSync(join(at.pki, file), 'utf8'));
    await create();
    expect(['ca.crt', 'ca.key'].map((file) => readFileSync(join(at.pki, file), 'utf8'))).toEqual(before);
    expect(openssl('verify', '-x509_strict', '-CAfile', join(at.pki, 'ca.crt'), join(at.pki, 'apiserver.crt'))).toContain(': OK');
    expectIssuerOf('ca', 'apiserver');
    expect(findings()).toEqual([]);
  });

  test('is found by its key while its file also holds the one that it replaces', async () => {
    makeAuthority(KEYS['RSA 2048, PKCS#1'] as string[]);
    const old = readFileSync(join(at.pki, 'ca.crt'), 'utf8');
    makeAuthority(KEYS['ECDSA P-256, SEC1'] as string[]);
    writeFileSync(join(at.pki, 'ca.crt'), `# old\n${old}# new\n${readFileSync(join(at.pki, 'ca.crt'), 'utf8')}`);
    await create();
    expect(openssl('verify', '-CAfile', join(at.pki, 'ca.crt'), join(at.pki, 'apiserver.crt'))).toContain(': OK');
    expect(findings()).toEqual([]);
  });

  test.each([
    ['no authority', ['-addext', 'basicConstraints=critical,CA:false'], /not that of an authority/],
    ['one with the key of another', [], /does not belong to its key/],
    ['one with a key that is garbage', [], /cannot be read/],
    ['one that ended', [], /ended on/],
  ] as const)('is refused: %s', async (what, extra, reason) => {
    makeAuthority(['ecparam', '-name', 'prime256v1', '-genkey', '-noout'], [...extra]);
    if (what === 'one with the key of another') writeFileSync(join(at.pki, 'ca.key'), openssl('genrsa', '2048'));
    if (what === 'one with a key that is garbage') writeFileSync(join(at.pki, 'ca.key'), 'garbage');
    if (what === 'one that ended') endedAuthority();
    await expect(create()).rejects.toMatchObject({ code: 'authority_unusable', message: expect.stringMatching(reason) });
  });
});

/** openssl 3.0 makes a certificate of the past only by way of its small authority (openssl-ca(1)). */
function endedAuthority(): void {
  writeFileSync(join(at.dir, 'index.txt'), '');
  const request = join(at.dir, 'ca.csr');
  openssl('req', '-new', '-key', join(at.pki, 'ca.key'), '-subj', '/CN=kubernetes', '-out', request);
  const config = `[ca]\ndefault_ca = one\n[one]\ndatabase = ${join(at.dir, 'index.txt')}\nnew_certs_dir = ${at.dir}\nrand_serial = yes\ndefault_md = sha256\npolicy = any\n[any]\ncommonName = supplied\n[v3]\nbasicConstraints = critical,CA:true\n`;
  writeFileSync(join(at.dir, 'ca.cnf'), config);
  const dates = ['-startdate', '20200101000000Z', '-enddate', '20210101000000Z'];
  openssl(
    'ca',
    '-batch',
    '-config',
    join(at.dir, 'ca.cnf'),
    '-selfsign',
    '-extensions',
    'v3',
    ...dates,
    '-keyfile',
    join(at.pki, 'ca.key'),
    '-in',
    request,
    '-out',
    join(at.pki, 'ca.crt'),
    '-notext',
  );
}

const kubeadm = findKubernetesProgram('kubeadm');

describe.skipIf(kubeadm === undefined)(`kubeadm${kubeadm === undefined ? ' (skipped: no kubeadm: npm run kubernetes:get)' : ''}`, () => {
  const run = (...args: string[]) => execFileSync(kubeadm as string, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  const configured = (dir: string) => {
    const file = join(at.dir, 'kubeadm.yaml');
    const facts = [
      { kind: 'InitConfiguration', localAPIEndpoint: { advertiseAddress: '10.0.0.11', bindPort: 6443 }, nodeRegistration: { name: 'cp1' } },
      {
        kind: 'ClusterConfiguration',
        kubernetesVersion: 'v1.36.4',
        clusterName: 'prod',
        controlPlaneEndpoint: 'api.example.com:6443',
        certificatesDir: dir,
        apiServer: { certSANs: ['10.0.0.100'] },
      },
    ];
    writeFileSync(file, facts.map((one) => JSON.stringify({ apiVersion: 'kubeadm.k8s.io/v1beta4', ...one })).join('\n---\n'));
    return file;
  };

  test('reads ours', async () => {
    await create();
    const said = run('certs', 'check-expiration', '--cert-dir', at.pki);
    for (const name of [
      'apiserver',
      'apiserver-kubelet-client',
      'etcd-server',
      'etcd-peer',
      'front-proxy-client',
      'apiserver-etcd-client',
    ]) {
      expect(said).toMatch(new RegExp(`^${name} .*36[45]d`, 'm'));
    }
    for (const name of ['ca', 'etcd-ca', 'front-proxy-ca']) expect(said).toMatch(new RegExp(`^${name} .* 9y`, 'm'));
  });

  test('uses ours: it finds every certificate that it would make, and accepts it', async () => {
    await create();
    const before = contents();
    const said = run('init', 'phase', 'certs', 'all', '--config', configured(at.pki));
    expect(said.match(/Using existing/g)).toHaveLength(10);
    run('init', 'phase', 'kubeconfig', 'admin', '--config', configured(at.pki), '--kubeconfig-dir', dirname(at.pki));
    expect(contents()).toEqual(before);
  });

  test('makes what we make: the same subjects and purposes, and no name that ours lack', async () => {
    mkdirSync(dirname(at.pki), { recursive: true });
    const theirs = join(at.dir, 'kubeadm/pki');
    const config = configured(theirs);
    run('init', 'phase', 'certs', 'all', '--config', config);
    for (const one of ['admin', 'super-admin', 'controller-manager', 'scheduler']) {
      run('init', 'phase', 'kubeconfig', one, '--config', config, '--kubeconfig-dir', dirname(theirs));
    }
    await create();
    const ours = new Map(readCertificates(at.pki).map((file) => [file.name, file]));
    for (const file of readCertificates(theirs)) {
      const mine = ours.get(file.name);
      if (mine === undefined || 'unreadable' in mine || 'unreadable' in file) throw new Error(`${file.name} is not readable on both sides`);
      expect([mine.name, mine.subject, mine.issuer, mine.authority, mine.server]).toEqual([
        file.name,
        file.subject,
        file.issuer,
        file.authority,
        file.server,
      ]);
      if (file.kind !== 'authority')
        expect({
          name: file.name,
          lacks: [...file.dnsNames, ...file.ipAddresses].filter((name) => ![...mine.dnsNames, ...mine.ipAddresses].includes(name)),
        }).toEqual({ name: file.name, lacks: [] });
      if (file.kind === 'certificate') {
        const usage = (path: string) => new X509Certificate(readFileSync(path)).keyUsage;
        expect(usage(mine.path)).toEqual(usage(file.path));
      }
    }
    expect([...ours.keys()].toSorted()).toEqual(
      readCertificates(theirs)
        .map(({ name }) => name)
        .toSorted(),
    );
    expect(clusterAuthorities(at.cluster)).toHaveLength(3);
  });

  test.skipIf(opensslMissing)(`its authorities (RSA) sign for further hosts of the cluster ${opensslMissing ?? ''}`, async () => {
    run('init', 'phase', 'certs', 'all', '--config', configured(at.pki));
    await create();
    expect(findings(join(at.folderOf('cp2'), 'etc/kubernetes/pki'))).toEqual([]);
    rmSync(join(at.pki, 'apiserver.crt'));
    await create();
    expectIssuerOf('ca', 'apiserver');
    expect(openssl('x509', '-noout', '-text', '-in', join(at.folderOf('cp2'), 'etc/kubernetes/pki/apiserver.crt'))).toContain(
      'sha256WithRSAEncryption',
    );
  });
});
