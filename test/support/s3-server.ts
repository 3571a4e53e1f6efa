import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CreateBucketCommand,
  GetObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { s3ServerProgram } from '../../scripts/programs/s3-server.ts';
import { createAuthority } from '../../src/drivers/pki/authority.ts';
import { writeKeyPair } from '../../src/drivers/pki/files.ts';
import { untilWithin } from './hale.ts';
import { freePorts } from './ports.ts';

export const BUCKET = 'backups';

/** A real S3-compatible server with TLS on 127.0.0.1 and one bucket, in a temporary folder of its own. */
export interface S3Server {
  dir: string;
  endpoint: string;
  /** Authority of its certificate. */
  caFile: string;
  /** INI, 0600. */
  credentialsFile: string;
  secrets: { accessKey: string; secretKey: string };
  /** Names of all objects. */
  objects(): Promise<string[]>;
  /** Names of what is being uploaded. */
  uploads(): Promise<string[]>;
  read(key: string): Promise<Buffer>;
  put(key: string, body: string | Uint8Array): Promise<void>;
  close(): Promise<void>;
}

/** Why tests with it cannot run here, for the title of a skipped suite; undefined when they can. */
export function s3Problem(): string | undefined {
  return existsSync(s3ServerProgram()) ? undefined : 'skipped: no S3-compatible server: `npm run s3:get` builds one';
}

export async function startS3Server(): Promise<S3Server> {
  const dir = mkdtempSync(join(tmpdir(), 'hale-s3-'));
  const secrets = { accessKey: 'hale-test-access', secretKey: 'hale-test-secret-0123456789' };
  const authority = await createAuthority({ commonName: 's3-ca', validityDays: 1 });
  const caFile = join(dir, 'ca.crt');
  writeFileSync(caFile, authority.certPem);
  writeKeyPair(
    dir,
    'server',
    await authority.issue({ commonName: 's3', dnsNames: [], ipAddresses: ['127.0.0.1'], usages: ['server'], validityDays: 1 }),
  );
  const credentialsFile = join(dir, 'credentials');
  writeFileSync(credentialsFile, `[default]\naws_access_key_id = ${secrets.accessKey}\naws_secret_access_key = ${secrets.secretKey}\n`);
  chmodSync(credentialsFile, 0o600);
  const [port] = (await freePorts(1)) as [number];
  const child = run(dir, { port, secrets });
  const endpoint = `https://127.0.0.1:${port}`;
  const client = new S3Client({
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: secrets.accessKey, secretAccessKey: secrets.secretKey },
    requestHandler: { httpsAgent: { ca: authority.certPem } },
    maxAttempts: 1,
  });
  const close = async () => {
    client.destroy();
    if (child.exitCode === null && child.signalCode === null) {
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    }
    rmSync(dir, { recursive: true, force: true });
  };
  try {
    const make = () =>
      client.send(new CreateBucketCommand({ Bucket: BUCKET })).then(
        () => 'made',
        (error: Error) => error.message,
      );
    await untilWithin(30_000, {
      look: make,
      wanted: (said) => said === 'made',
      what: `a bucket: ${readFileSync(join(dir, 'log'), 'utf8')}`,
    });
  } catch (error) {
    await close();
    throw error;
  }
  return { dir, endpoint, caFile, credentialsFile, secrets, close, ...calls(client) };
}

function run(dir: string, { port, secrets }: { port: number; secrets: S3Server['secrets'] }): ChildProcess {
  for (const folder of ['objects', 'sidecar']) mkdirSync(join(dir, folder));
  // setpriv: the kernel ends it with this process, also when that is killed.
  const server = ['--port', `127.0.0.1:${port}`, '--access', secrets.accessKey, '--secret', secrets.secretKey];
  const tls = ['--cert', join(dir, 'server.crt'), '--key', join(dir, 'server.key')];
  const backend = ['posix', '--sidecar', join(dir, 'sidecar'), join(dir, 'objects')];
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', s3ServerProgram(), ...server, ...tls, ...backend], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (bytes: Buffer) => writeFileSync(join(dir, 'log'), bytes, { flag: 'a' }));
  writeFileSync(join(dir, 'log'), '');
  return child;
}

function calls(client: S3Client): Pick<S3Server, 'objects' | 'uploads' | 'read' | 'put'> {
  const where = { Bucket: BUCKET };
  return {
    async objects() {
      const { Contents = [] } = await client.send(new ListObjectsV2Command(where));
      return Contents.map(({ Key = '' }) => Key).toSorted();
    },
    async uploads() {
      const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand(where));
      return Uploads.map(({ Key = '' }) => Key);
    },
    async read(Key) {
      const { Body } = await client.send(new GetObjectCommand({ ...where, Key }));
      return Buffer.from((await Body?.transformToByteArray()) ?? []);
    },
    async put(Key, Body) {
      await client.send(new PutObjectCommand({ ...where, Key, Body }));
    },
  };
}
