import { createPrivateKey, X509Certificate } from 'node:crypto';
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Authority, createAuthority, type KeyPair } from '../../../src/drivers/pki/authority.ts';
import { writeKeyPair } from '../../../src/drivers/pki/files.ts';

const DAY_MS = 86_400_000;
let authority: Authority;
let pair: KeyPair;
let ca: X509Certificate;
let leaf: X509Certificate;

beforeAll(async () => {
  authority = await createAuthority({ commonName: 'lab CA, "quoted"', validityDays: 10 });
  pair = await authority.issue({
    commonName: 'cp1',
    organization: 'system:masters',
    dnsNames: ['cp1.lab', 'localhost'],
    ipAddresses: ['10.0.0.11', '2001:DB8:0:0:0:0:0:b', '::1'],
    usages: ['server', 'client'],
    validityDays: 5,
  });
  ca = new X509Certificate(authority.certPem);
  leaf = new X509Certificate(pair.certPem);
});

describe('authority', () => {
  test('signs itself as a CA, like kubeadm without a limit to the path (RFC 5280 sections 4.2.1.3, 4.2.1.9)', () => {
    expect(ca.ca).toBe(true);
    expect(ca.verify(ca.publicKey)).toBe(true);
    expect(ca.checkPrivateKey(createPrivateKey(authority.keyPem))).toBe(true);
    expect(ca.subject).toBe('CN=lab CA\\, \\"quoted\\"');
    // keyUsage 2.5.29.15 and basicConstraints 2.5.29.19, each followed by critical TRUE; 03 02 02 84 is digitalSignature + keyCertSign.
    const der = ca.raw.toString('hex');
    expect(der).toContain('0603551d0f0101ff040403020284');
    expect(der).toContain('0603551d130101ff040530030101ff');
  });

  test('issues an end-entity certificate with its names and addresses', () => {
    expect(leaf.ca).toBe(false);
    expect(leaf.checkIssued(ca)).toBe(true);
    expect(leaf.verify(ca.publicKey)).toBe(true);
    expect(leaf.issuer).toBe(ca.subject);
    expect(leaf.subject).toBe('O=system:masters\nCN=cp1');
    expect(leaf.checkPrivateKey(createPrivateKey(pair.keyPem))).toBe(true);
    expect(pair.keyPem).toMatch(/^-----BEGIN PRIVATE KEY-----\n/);
    expect(leaf.checkHost('cp1.lab')).toBe('cp1.lab');
    expect(['10.0.0.11', '2001:db8::b', '::1', '10.0.0.12', '2001:db8::c'].map((ip) => leaf.checkIP(ip))).toEqual([
      '10.0.0.11',
      '2001:db8::b',
      '::1',
      undefined,
      undefined,
    ]);
    expect(leaf.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']);
  });

  test('a client certificate is not a server certificate, and has no subject alternative name to be empty', async () => {
    const client = await authority.issue({ commonName: 'c', dnsNames: [], ipAddresses: [], usages: ['client'], validityDays: 1 });
    const certificate = new X509Certificate(client.certPem);
    expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2']);
    expect(certificate.subjectAltName).toBeUndefined();
  });

  test('is valid minutes before now, and never longer than the authority', async () => {
    const leadMs = Date.now() - leaf.validFromDate.getTime();
    expect(leadMs).toBeGreaterThan(60_000);
    expect(leadMs).toBeLessThan(DAY_MS);
    expect(leaf.validToDate.getTime()).toBeLessThan(Date.now() + 5 * DAY_MS);
    const long = await authority.issue({ commonName: 'x', dnsNames: [], ipAddresses: [], usages: ['client'], validityDays: 4000 });
    expect(new X509Certificate(long.certPem).validTo).toBe(ca.validTo);
  });

  test('serial numbers differ', async () => {
    const request = { commonName: 'x', dnsNames: [], ipAddresses: [], usages: ['client' as const], validityDays: 1 };
    const pairs = await Promise.all([authority.issue(request), authority.issue(request)]);
    const serials = pairs.map((each) => new X509Certificate(each.certPem).serialNumber);
    expect(new Set([...serials, ca.serialNumber, leaf.serialNumber]).size).toBe(4);
  });

  test('refuses what is not an address', async () => {
    const request = { commonName: 'cp1', dnsNames: [], ipAddresses: ['10.0.0.11/24'], usages: ['server' as const], validityDays: 1 };
    await expect(authority.issue(request)).rejects.toMatchObject({
      code: 'certificate_address_invalid',
      message: expect.stringContaining('10.0.0.11/24'),
    });
  });
});

describe('writeKeyPair', () => {
  const dir = mkdtempSync(join(tmpdir(), 'hale-pki-'));
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  test('keeps the key to its owner, even over a file that others could read', () => {
    const stale = join(dir, 'cp1.key');
    writeFileSync(stale, 'old');
    chmodSync(stale, 0o644);
    writeKeyPair(dir, 'cp1', pair);
    expect(readFileSync(stale, 'utf8')).toBe(pair.keyPem);
    expect(readFileSync(join(dir, 'cp1.crt'), 'utf8')).toBe(pair.certPem);
    expect(['cp1.key', 'cp1.crt'].map((name) => statSync(join(dir, name)).mode & 0o777)).toEqual([0o600, 0o644]);
  });
});
