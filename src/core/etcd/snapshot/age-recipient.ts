/**
 * Whether a text is a public key of age: `age1…`, or of its other kinds `age1pq1…`, `age1tag1…`, `age1tagpq1…` (age-encryption.org/v1, "Native recipient types").
 * The checksum of Bech32 is part of it (BIP 173), so that a wrong letter is seen when cluster.yaml is read and not when the first snapshot fails.
 */
export function isAgeRecipient(text: string): boolean {
  const [, prefix, data] = /^(age|age1pq|age1tag|age1tagpq)1([qpzry9x8gf2tvdw0s3jn54khce6mua7l]{32,4000})$/.exec(text) ?? [];
  if (prefix === undefined || data === undefined) return false;
  const codes = [...prefix].map((letter) => letter.charCodeAt(0));
  const expanded = [...codes.map((code) => code >> 5), 0, ...codes.map((code) => code & 31)];
  return polymod([...expanded, ...[...data].map((letter) => ALPHABET.indexOf(letter))]) === 1;
}

const ALPHABET = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l';
const GENERATOR = [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3];

function polymod(values: readonly number[]): number {
  let sum = 1;
  for (const value of values) {
    const top = sum >>> 25;
    sum = ((sum & 0x1ffffff) << 5) ^ value;
    for (const [i, term] of GENERATOR.entries()) if (((top >>> i) & 1) === 1) sum ^= term;
  }
  return sum;
}
