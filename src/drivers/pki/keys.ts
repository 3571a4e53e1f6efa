// oxlint-disable-next-line import/no-unassigned-import -- has to run before @peculiar/x509 loads
import './reflect-metadata.ts';
import { createPrivateKey, createPublicKey, type KeyObject, webcrypto } from 'node:crypto';

/** A key pair that can sign, as WebCrypto has it. */
export interface SigningKeys {
  publicKey: webcrypto.CryptoKey;
  privateKey: webcrypto.CryptoKey;
  /** How it signs certificates. */
  signing: { name: string; hash: string };
  rsa: boolean;
  /** The private key (PKCS#8). */
  pem: string;
}

/** A hash about as strong as the curve (RFC 5656 section 6.2.1 pairs them so). */
const CURVES: Record<string, { namedCurve: string; hash: string }> = {
  prime256v1: { namedCurve: 'P-256', hash: 'SHA-256' },
  secp384r1: { namedCurve: 'P-384', hash: 'SHA-384' },
  secp521r1: { namedCurve: 'P-521', hash: 'SHA-512' },
};

/** A new key for ECDSA with P-256. */
export async function generateKeys(): Promise<SigningKeys> {
  const keys = await webcrypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey));
  const pem = createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }).export({ type: 'pkcs8', format: 'pem' }).toString();
  return { ...keys, signing: { name: 'ECDSA', hash: 'SHA-256' }, rsa: false, pem };
}

/** A private key in PKCS#1, SEC1 or PKCS#8; undefined when it is none, or needs a passphrase. */
export function readKey(pem: string): KeyObject | undefined {
  try {
    return createPrivateKey(pem);
  } catch {
    return undefined;
  }
}

/** RSA, or ECDSA on a NIST curve; undefined for any other. */
export async function importKeys(key: KeyObject): Promise<SigningKeys | undefined> {
  const format = formatOf(key);
  if (format === undefined) return undefined;
  const { algorithm, hash } = format;
  const pkcs8 = key.export({ type: 'pkcs8', format: 'der' });
  const spki = createPublicKey(key).export({ type: 'spki', format: 'der' });
  return {
    privateKey: await webcrypto.subtle.importKey('pkcs8', pkcs8, algorithm, true, ['sign']),
    publicKey: await webcrypto.subtle.importKey('spki', spki, algorithm, true, ['verify']),
    signing: { name: algorithm.name, hash },
    rsa: key.asymmetricKeyType === 'rsa',
    pem: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

function formatOf(key: KeyObject): { algorithm: webcrypto.RsaHashedImportParams | webcrypto.EcKeyImportParams; hash: string } | undefined {
  if (key.asymmetricKeyType === 'rsa') return { algorithm: { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }, hash: 'SHA-256' };
  const curve = key.asymmetricKeyType === 'ec' ? CURVES[key.asymmetricKeyDetails?.namedCurve ?? ''] : undefined;
  return curve && { algorithm: { name: 'ECDSA', namedCurve: curve.namedCurve }, hash: curve.hash };
}
