import { once } from 'node:events';
import { mkdirSync, statfsSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { HaleError } from '../../../base/error.ts';
import type { EtcdAdmin } from '../../../ports/etcd-admin.ts';
import { type Authority, createAuthority } from '../../pki/authority.ts';
import { writeKeyPair } from '../../pki/files.ts';
import { createEtcdAdmin } from '../admin.ts';
import type { EtcdTls } from '../endpoints.ts';
import { type GuardedProcess, startGuarded } from './guarded.ts';
import type { TrialPrograms } from './programs.ts';

export interface TrialFile {
  path: string;
  sizeBytes: number;
  /** A database's copy has none, and the restore is told not to look for it. */
  hasHash: boolean;
}

export interface TrialOptions {
  file: TrialFile;
  programs: TrialPrograms;
  /** As `makeTrialFolder` makes it. */
  folder: string;
  signal: AbortSignal;
  onStep: (text: string) => void;
}

const NAME = 'trial';
/** Of certificates; a trial does not take a day. */
const VALIDITY_DAYS = 1;
/** etcd keeps 64 MB for each of two write-ahead logs. */
const ROOM_BYTES = 256 * 1024 * 1024;
/** A slow disk, with the file still to be read by etcd. */
const START_MS = 120_000;
const START_BYTES_PER_MS = 10_000;
const PORT_ATTEMPTS = 5;
const CALL_MS = 30_000;

/** Why the folder has no room for a copy of the file; undefined when it has. */
export function roomProblem(folder: string, sizeBytes: number): string | undefined {
  const { bavail, bsize } = statfsSync(folder);
  const needed = sizeBytes + ROOM_BYTES;
  if (bavail * bsize >= needed) return undefined;
  const mib = (bytes: number) => `${Math.ceil(bytes / 1024 ** 2)} MiB`;
  return `${folder} has ${mib(bavail * bsize)} free, and a trial takes ${mib(needed)}: set TMPDIR to a folder with more`;
}

/** Restores the file into the folder, and runs `work` with an etcd on it that nobody else can talk to. HaleError `etcd_trial_failed`. */
export async function withRestored<T>(options: TrialOptions, work: (etcd: EtcdAdmin) => Promise<T>): Promise<T> {
  await restore(options);
  const authority = await createAuthority({ commonName: 'hale trial', validityDays: VALIDITY_DAYS });
  const tls = await writeTls(options.folder, authority);
  for (let attempt = 1; ; attempt++) {
    options.signal.throwIfAborted();
    const url = `https://127.0.0.1:${await freePort()}`;
    const server = startGuarded([options.programs.etcd, ...etcdFlags(options, url)], { logFile: join(options.folder, 'etcd.log') });
    const etcd = createEtcdAdmin({ endpoints: [url], tls, timeoutMs: CALL_MS });
    const stop = () => void server.kill();
    options.signal.addEventListener('abort', stop);
    try {
      options.onStep('starting etcd on it');
      const isUp = await untilServing(options, { etcd, url, server });
      if (isUp) return await work(etcd);
      if (attempt === PORT_ATTEMPTS || !server.lastWords().includes('address already in use'))
        throw failed('etcd does not start on it', server);
    } finally {
      options.signal.removeEventListener('abort', stop);
      etcd.close();
      await server.kill();
    }
  }
}

async function restore({ file, programs, folder, signal, onStep }: TrialOptions): Promise<void> {
  onStep(`restoring it with ${programs.restore.name} ${programs.restore.version}`);
  const flags = {
    'data-dir': join(folder, 'data'),
    name: NAME,
    'initial-cluster': `${NAME}=https://127.0.0.1:1`,
    'initial-advertise-peer-urls': 'https://127.0.0.1:1',
    'initial-cluster-token': folder,
    ...(file.hasHash ? {} : { 'skip-hash-check': 'true' }),
  };
  const argv = [programs.restore.path, 'snapshot', 'restore', file.path, ...flagList(flags)];
  const restoring = startGuarded(argv, { logFile: join(folder, 'restore.log') });
  const stop = () => void restoring.kill();
  signal.addEventListener('abort', stop);
  try {
    const status = await restoring.ended();
    signal.throwIfAborted();
    if (status !== 0) throw failed(`${programs.restore.name} ${programs.restore.version} does not restore it`, restoring);
  } finally {
    signal.removeEventListener('abort', stop);
    await restoring.kill();
  }
}

/** Certificates of an authority that ends with this call: nobody else gets one that etcd accepts. */
async function writeTls(folder: string, authority: Authority): Promise<EtcdTls> {
  const common = { dnsNames: [], validityDays: VALIDITY_DAYS };
  writeKeyPair(folder, 'ca', { certPem: authority.certPem, keyPem: '' });
  writeKeyPair(
    folder,
    'server',
    await authority.issue({ ...common, commonName: NAME, ipAddresses: ['127.0.0.1'], usages: ['server', 'client'] }),
  );
  // Where the snapshot has etcd's own users, this is the one who may do everything.
  const client = await authority.issue({ ...common, commonName: 'root', ipAddresses: [], usages: ['client'] });
  return { caPem: authority.certPem, ...client };
}

function etcdFlags({ folder, file }: TrialOptions, url: string): string[] {
  const tls = {
    'trusted-ca-file': join(folder, 'ca.crt'),
    'cert-file': join(folder, 'server.crt'),
    'key-file': join(folder, 'server.key'),
  };
  mkdirSync(join(folder, 'data'), { recursive: true, mode: 0o700 });
  return flagList({
    name: NAME,
    'data-dir': join(folder, 'data'),
    'listen-client-urls': url,
    'advertise-client-urls': url,
    // Nobody is to come, and the kernel finds a port.
    'listen-peer-urls': 'https://127.0.0.1:0',
    'client-cert-auth': 'true',
    'peer-client-cert-auth': 'true',
    ...tls,
    ...Object.fromEntries(Object.entries(tls).map(([flag, value]) => [`peer-${flag}`, value])),
    logger: 'zap',
    // A database near its quota is no reason for the marker to be refused.
    'quota-backend-bytes': `${Math.max(16 * 1024 ** 3, 2 * file.sizeBytes)}`,
  });
}

function flagList(flags: Record<string, string>): string[] {
  return Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`);
}

interface Starting {
  etcd: EtcdAdmin;
  url: string;
  server: GuardedProcess;
}

/** False when it ended instead. */
async function untilServing({ file, signal }: TrialOptions, { etcd, url, server }: Starting): Promise<boolean> {
  const deadline = performance.now() + START_MS + file.sizeBytes / START_BYTES_PER_MS;
  for (;;) {
    signal.throwIfAborted();
    if (server.status !== undefined) return false;
    if (performance.now() > deadline) throw failed('etcd does not answer on it', server);
    try {
      const { leaderId } = await etcd.status(url);
      if (leaderId !== undefined) return true;
    } catch {
      // Not yet.
    }
    await sleep(50);
  }
}

function failed(what: string, program: GuardedProcess): HaleError {
  return new HaleError({
    code: 'etcd_trial_failed',
    kind: 'world',
    message: `${what}: ${program.lastWords()}`,
    remedy: 'take a new snapshot and verify that; keep this one until a new one is good',
  });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  await once(server.close(), 'close');
  return port;
}
