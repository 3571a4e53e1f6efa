import * as z from 'zod';
import { isAgeRecipient } from '../etcd/snapshot/age-recipient.ts';
import { filePath, wholeNumber } from './values.ts';

/* What cluster.yaml says of snapshots of etcd. */

const RECIPIENT = 'a public key of age, which begins with age1, as age-keygen prints it';
const recipient = z.string(RECIPIENT).refine(isAgeRecipient, RECIPIENT).meta({ pattern: '^age1[a-z0-9]+$' });

/** Amazon's rules of general purpose buckets, without those that only Amazon needs. */
const BUCKET = 'the name of a bucket: 3 to 63 lower-case letters, digits, and inner hyphens and dots';
const ENDPOINT = 'a URL without a path such as https://s3.example.com:9000';
const REGION = 'the name of a region such as eu-central-1';
const PREFIX = 'a prefix in one line that does not begin with a slash, such as clusters/prod/';
const KMS_KEY = 'the id, alias or ARN of a key, without blanks';
const CREDENTIALS = '/etc/hale/s3-credentials';

const s3 = z
  .strictObject({
    bucket: z
      .string(BUCKET)
      .regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, BUCKET)
      .describe('Bucket that the snapshots go to. It must exist.'),
    prefix: z
      .string(PREFIX)
      .regex(/^(?!\/)[ -~\u00a0-\uffff]{0,500}$/, PREFIX)
      .default('hale/')
      .describe(
        'What the names of the objects begin with, up to and with the last slash. Clusters can share it: the name of the cluster follows.',
      ),
    region: z
      .string(REGION)
      .regex(/^[a-z0-9-]{1,40}$/, REGION)
      .exactOptional()
      .describe(
        "Region of the bucket. Without it, what AWS' own environment variables and files say, and us-east-1 where `endpoint` is given.",
      ),
    endpoint: z
      .string(ENDPOINT)
      .regex(/^https?:\/\/(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(:\d{1,5})?\/?$/, ENDPOINT)
      .exactOptional()
      .describe("Server, where it is not Amazon's."),
    pathStyle: z
      .boolean('true or false')
      .exactOptional()
      .describe(
        'Whether the bucket stands in the path of URLs (`true`) or in the name of the host (`false`). Without it, `true` where `endpoint` is given.',
      ),
    serverSideEncryption: z
      .enum(['AES256', 'aws:kms'])
      .exactOptional()
      .describe(
        'How the server encrypts the objects: `AES256` with keys of its own (SSE-S3), `aws:kms` with a key of its key service (SSE-KMS).',
      ),
    kmsKeyId: z
      .string(KMS_KEY)
      .regex(/^[!-~]{1,2048}$/, KMS_KEY)
      .exactOptional()
      .describe('The key, with `serverSideEncryption: aws:kms`. Without it, the key that the bucket or the account has for that.'),
    credentialsFile: filePath(CREDENTIALS)
      .exactOptional()
      .describe(
        "File that only its owner may read, with `[default]`, `aws_access_key_id = ` and `aws_secret_access_key = `. Without it, what AWS' own programs use: environment variables, ~/.aws, the role of the machine.",
      ),
    caFile: filePath('/etc/hale/s3-ca.crt').exactOptional().describe("Certificate authority that signed the server's certificate."),
  })
  .describe('S3-compatible storage that the snapshots go to, instead of `folder`.');

const kept = (what: string) => wholeNumber({ from: 0, to: 10_000, of: what });

export const snapshots = z
  .strictObject({
    folder: filePath('/var/lib/hale/snapshots').default('/var/lib/hale/snapshots').describe('Folder that the snapshots go to.'),
    s3: s3.exactOptional(),
    recipients: z
      .array(recipient, 'a list of public keys of age')
      .prefault([])
      .describe(
        'Public keys of age (`age1…`) that snapshots are encrypted for; the secret key of any one of them opens them. Empty: not encrypted.',
      ),
    keep: z
      .strictObject({
        last: kept('snapshots').default(6).describe('The newest so many snapshots stay.'),
        hourly: kept('hours').default(24).describe('The newest of each of the newest so many hours that have one stay.'),
        daily: kept('days').default(7).describe('The same of days, in UTC.'),
        weekly: kept('weeks').default(4).describe('The same of weeks, which begin on Monday, in UTC.'),
      })
      .prefault({})
      .describe('What `hale etcd snapshot prune` leaves. All numbers 0: everything. The newest snapshot always stays.'),
    everyMinutes: wholeNumber({ from: 1, to: 10_080, of: 'minutes' })
      .exactOptional()
      .describe('Time between two scheduled snapshots. Without it, nothing is scheduled.'),
    alertAfterMinutes: wholeNumber({ from: 1, to: 100_000, of: 'minutes' })
      .exactOptional()
      .describe('Age of the newest good snapshot that is too old. Without it, three times `everyMinutes`.'),
  })
  .prefault({})
  .describe('Snapshots of etcd (`hale etcd snapshot`).');
