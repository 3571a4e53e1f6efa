import { existsSync, readFileSync } from 'node:fs';
import { S3Client, S3ServiceException } from '@aws-sdk/client-s3';
import { fromIni } from '@aws-sdk/credential-provider-ini';
import { HaleError } from '../../base/error.ts';
import { hideSecrets } from '../../base/hide.ts';
import { isOpenToOthers } from '../owner-only.ts';
import { isServerCertificateError } from '../tls-failure.ts';

/** How a bucket is reached, as cluster.yaml or flags say it. */
export interface S3Settings {
  bucket: string;
  /** Of another S3-compatible server than Amazon's. */
  endpoint?: string;
  region?: string;
  /** Whether the bucket stands in the path of URLs; where there is an `endpoint`, by default. */
  pathStyle?: boolean;
  serverSideEncryption?: 'AES256' | 'aws:kms';
  kmsKeyId?: string;
  /** INI as AWS' tools write it; without it the SDK looks where it always does: environment, ~/.aws, the roles of the machine. */
  credentialsFile?: string;
  caFile?: string;
}

/** A part of an upload is sent again after this time without a byte. */
const SILENCE_MS = 60_000;

/** Reads the files that `settings` name. HaleErrors `s3_credentials_open`, `s3_file_unreadable`. */
export function openS3(settings: S3Settings): S3Client {
  const { endpoint, pathStyle = endpoint !== undefined, credentialsFile, caFile } = settings;
  // Other servers than Amazon's have no regions, and signatures need one.
  const region = settings.region ?? (endpoint === undefined ? undefined : 'us-east-1');
  if (credentialsFile !== undefined) checkCredentialsFile(credentialsFile);
  return new S3Client({
    ...(region === undefined ? {} : { region }),
    ...(endpoint === undefined ? {} : { endpoint }),
    ...(credentialsFile === undefined ? {} : { credentials: fromIni({ filepath: credentialsFile, configFilepath: credentialsFile }) }),
    forcePathStyle: pathStyle,
    // With it the SDK sends each part over a connection of its own, which knows nothing of the authority.
    expectContinueHeader: false,
    requestHandler: {
      connectionTimeout: 5000,
      socketTimeout: SILENCE_MS,
      httpsAgent: { keepAlive: true, ...(caFile === undefined ? {} : { ca: readFile(caFile) }) },
    },
  });
}

function checkCredentialsFile(file: string): void {
  readFile(file);
  if (!isOpenToOthers(file)) return;
  throw new HaleError({
    code: 's3_credentials_open',
    kind: 'usage',
    message: `${file}: others than its owner can read these credentials`,
    remedy: `chmod 600 ${file}`,
  });
}

function readFile(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new HaleError({
      code: 's3_file_unreadable',
      kind: 'usage',
      message: `${file}: cannot be read: ${(error as Error).message}`,
      remedy: 'name files that exist and that this user may read (etcd.snapshots.s3.credentialsFile, caFile)',
    });
  }
}

/** The way out of the refusals that people meet; for all others the server's word has to do. */
const WAYS_OUT: Readonly<Record<string, string>> = {
  NoSuchBucket: 'make the bucket, or name another',
  AccessDenied:
    'allow these credentials s3:PutObject and s3:AbortMultipartUpload, for list and prune s3:ListBucket and s3:DeleteObject too, for reading s3:GetObject',
  InvalidAccessKeyId: 'check the credentials',
  SignatureDoesNotMatch: 'check the credentials, the region, and the clock of this machine',
  RequestTimeTooSkewed: 'set the clock of this machine',
  CredentialsProviderError:
    'give credentials in the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY), in ~/.aws/credentials or in etcd.snapshots.s3.credentialsFile',
  PermanentRedirect: 'name the region of the bucket',
};

/** What a call of the SDK threw, for people. Its own object is not kept: it holds the request with its signature. */
export function s3Failure(operation: string, settings: S3Settings, error: unknown): HaleError {
  if (error instanceof HaleError) return error;
  const { bucket, endpoint } = settings;
  const { name, message, code } = error as Error & { code?: string };
  const status = error instanceof S3ServiceException ? (error.$metadata.httpStatusCode ?? 0) : 0;
  // A HEAD has no body in which the server could say more.
  const reason = [...new Set([status === 0 ? '' : `HTTP ${status}`, name, code ?? '', message])].filter(
    (word) => word !== '' && word !== 'Error' && word !== 'Unknown',
  );
  return new HaleError({
    code: 's3_failed',
    kind: 'world',
    message: `s3://${bucket}${endpoint === undefined ? '' : ` at ${endpoint}`}: ${operation} failed: ${withoutSecrets(reason.join(': '), secretsOf(settings))}`,
    remedy: isServerCertificateError(code ?? '')
      ? "name the authority that signed the server's certificate with --s3-ca or etcd.snapshots.s3.caFile, and the server by a name in it"
      : (WAYS_OUT[name] ?? 'check endpoint, region, bucket and credentials, and the server itself'),
  });
}

/** Some servers put the request, with its credentials, into their refusal. */
function withoutSecrets(text: string, secrets: readonly string[]): string {
  return hideSecrets(text, secrets)
    .replace(/(Credential=|Signature=|AKIA|ASIA)[\w/+=-]+/g, '$1(hidden)')
    .slice(0, 500);
}

const SECRET_NAMES = ['aws_access_key_id', 'aws_secret_access_key', 'aws_session_token'];

/** From the environment, and from the file that the settings name. */
function secretsOf({ credentialsFile }: S3Settings): string[] {
  const inEnvironment = SECRET_NAMES.map((name) => process.env[name.toUpperCase()] ?? '');
  return [...inEnvironment, ...(credentialsFile === undefined ? [] : secretsIn(credentialsFile))];
}

function secretsIn(file: string): string[] {
  const lines = existsSync(file) ? readFile(file).split(/\r?\n/) : [];
  return lines.flatMap((line) => {
    const [name = '', ...value] = line.split('=');
    return SECRET_NAMES.includes(name.trim().toLowerCase()) ? [value.join('=').trim()] : [];
  });
}
