import { describe, expect, test } from 'vitest';
import { untrustedText } from '../../../src/core/apiserver/untrusted.ts';

const nowMs = Date.parse('2026-06-01T00:00:00.000Z');
const shown = {
  subject: 'O=hale\nCN=kube-apiserver',
  issuer: 'CN=kubernetes',
  notBefore: '2026-01-01T00:00:00.000Z',
  notAfter: '2027-01-01T00:00:00.000Z',
  nowMs,
  theirNowMs: nowMs - 1000,
};
const expired = { code: 'CERT_HAS_EXPIRED', message: 'certificate has expired' };
const foreign = { code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE', message: 'unable to verify the first certificate' };

describe("why an API server's certificate is refused", () => {
  test('expired: until when it was valid', () => {
    expect(untrustedText(expired, { ...shown, notAfter: '2026-05-31T23:00:00.000Z' })).toBe(
      'its certificate (O=hale, CN=kube-apiserver) expired on 2026-05-31T23:00:00.000Z',
    );
  });

  test('a clock that is wrong shows in the difference of the clocks', () => {
    const late = Date.parse('2027-06-01T00:00:00.000Z');
    expect(untrustedText(expired, { ...shown, nowMs: late })).toBe(
      'its certificate (O=hale, CN=kube-apiserver) expired on 2027-01-01T00:00:00.000Z; the clock of this host is 365 days ahead of its clock',
    );
    const early = nowMs - 90 * 60_000;
    expect(
      untrustedText(
        { code: 'CERT_NOT_YET_VALID', message: 'certificate is not yet valid' },
        { ...shown, notBefore: '2026-05-31T23:30:00.000Z', nowMs: early, theirNowMs: nowMs },
      ),
    ).toBe(
      'its certificate (O=hale, CN=kube-apiserver) is not valid before 2026-05-31T23:30:00.000Z; the clock of this host is 90 minutes behind its clock',
    );
    expect(untrustedText(expired, { ...shown, nowMs: late, theirNowMs: Number.NaN })).not.toContain('clock');
  });

  test('of another authority', () => {
    expect(untrustedText(foreign, shown)).toBe(
      'its certificate (O=hale, CN=kube-apiserver), valid until 2027-01-01T00:00:00.000Z, is signed by another CN=kubernetes than the authority that this host trusts',
    );
  });

  test('an authority that has expired is not taken for the certificate', () => {
    expect(untrustedText(expired, shown)).toMatch(/valid until 2027-.*, is refused: that of its authority has expired$/);
  });

  test("another name: in Node's words, and none that a terminal would obey", () => {
    const refusal = { code: 'ERR_TLS_CERT_ALTNAME_INVALID', message: 'IP: 10.0.0.1 is not in \u001b[31mthe list' };
    const text = untrustedText(refusal, { ...shown, subject: 'CN=\u001b[2J' });
    expect(text).toContain('is refused: IP: 10.0.0.1 is not in');
    expect(text).not.toContain('\u001b');
    expect(untrustedText(refusal)).toMatch(/^its certificate is refused: IP: 10\.0\.0\.1/);
    expect(untrustedText(refusal)).not.toContain('\u001b');
  });
});
