import { existsSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { HaleError } from '../../base/error.ts';
import { snapshots as snapshotSchema } from '../../core/cluster/snapshots.ts';
import type { Cluster } from '../../core/cluster/schema.ts';
import type { Keep } from '../../core/etcd/snapshot/retention.ts';
import { parseSnapshotPlace, type SnapshotPlace } from '../../core/etcd/snapshot/place.ts';
import { fileTarget, folderStore, folderTarget } from '../../drivers/snapshot/folder.ts';
import type { S3Settings } from '../../drivers/snapshot/s3-client.ts';
import { stdoutTarget } from '../../drivers/snapshot/stdout.ts';
import type { SnapshotStore, SnapshotTarget } from '../../ports/snapshot-store.ts';
import { readClusterFile } from '../read-cluster.ts';

/** Flags that go before what cluster.yaml says of S3. */
export interface S3Options {
  s3Endpoint?: string;
  s3Region?: string;
  s3PathStyle?: true;
  s3Credentials?: string;
  s3Ca?: string;
  sse?: 'AES256' | 'aws:kms';
  kmsKey?: string;
}

export interface SnapshotOptions extends S3Options {
  config: string;
  cluster?: string;
}

/** What cluster.yaml and flags say of snapshots. */
export interface SnapshotSettings {
  /** Undefined where nothing names the cluster. */
  clusterName: string | undefined;
  recipients: readonly string[];
  keep: Keep;
  s3: Omit<S3Settings, 'bucket'>;
  /** Where snapshots are when no place is named. */
  usualPlace: SnapshotPlace;
  /** Undefined where nothing is scheduled. */
  everyMinutes: number | undefined;
}

/** How a bucket is reached. */
export function withS3Options(command: Command): Command {
  return command
    .option('--s3-endpoint <url>', "S3-compatible server that is not Amazon's")
    .option('--s3-region <name>', 'region of the bucket')
    .option('--s3-path-style', 'put the bucket into the path of URLs')
    .option('--s3-credentials <file>', "file with credentials as AWS' programs write it, which only its owner may read")
    .option('--s3-ca <file>', "authority that signed the server's certificate");
}

export function clusterOption(): Option {
  const says = 'name of the cluster in the names of snapshots; by default the one in the cluster description';
  return new Option('--cluster <name>', says).argParser((name) => {
    if (/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(name)) return name;
    throw new InvalidArgumentError('expected at most 63 lower-case letters, digits and inner hyphens.');
  });
}

export function snapshotSettings(options: SnapshotOptions, command: Command): SnapshotSettings {
  const isNamed = command.getOptionValueSource('config') !== 'default';
  const cluster = isNamed || existsSync(options.config) ? readClusterFile(options.config) : undefined;
  const { folder, s3, recipients, keep, everyMinutes } = cluster?.etcd.snapshots ?? snapshotSchema.parse({});
  return {
    clusterName: options.cluster ?? cluster?.name,
    recipients,
    keep,
    everyMinutes,
    s3: s3Settings(options, s3),
    usualPlace: s3 === undefined ? { kind: 'path', path: `${folder}/` } : { kind: 's3', bucket: s3.bucket, key: asPrefix(s3.prefix) },
  };
}

function s3Settings(options: S3Options, described: Cluster['etcd']['snapshots']['s3']): Omit<S3Settings, 'bucket'> {
  const { bucket: _bucket, prefix: _prefix, ...rest } = described ?? { bucket: '', prefix: '' };
  const { s3Endpoint: endpoint, s3Region: region, s3PathStyle: pathStyle, s3Credentials: credentialsFile, s3Ca: caFile } = options;
  const flagged = { endpoint, region, pathStyle, credentialsFile, caFile, serverSideEncryption: options.sse, kmsKeyId: options.kmsKey };
  const flags = Object.entries(flagged).filter(([, value]) => value !== undefined);
  return { ...rest, ...Object.fromEntries(flags) };
}

/** Everything below `key`. */
function asPrefix(key: string): string {
  return key === '' || key.endsWith('/') ? key : `${key}/`;
}

export function placeOf(text: string | undefined, settings: SnapshotSettings): SnapshotPlace {
  const place = text === undefined ? settings.usualPlace : parseSnapshotPlace(text);
  if (place !== undefined) return place;
  throw new HaleError({
    code: 'snapshot_place_wrong',
    kind: 'usage',
    message: `${JSON.stringify(text)}: is no place for snapshots`,
    remedy: 'give a folder, a file, s3://BUCKET/PREFIX/, or - for standard output',
  });
}

/** Where snapshots are listed and removed. */
export async function openStore(text: string | undefined, settings: SnapshotSettings): Promise<SnapshotStore> {
  const place = placeOf(text, settings);
  if (place.kind === 'path') return folderStore(resolve(place.path));
  if (place.kind === 's3') {
    // The SDK is large, and most commands do not need it.
    const { s3Store } = await import('../../drivers/snapshot/s3-store.ts');
    return s3Store({ ...settings.s3, bucket: place.bucket }, asPrefix(place.key));
  }
  throw new HaleError({
    code: 'snapshot_place_no_store',
    kind: 'usage',
    message: 'standard output holds no snapshots',
    remedy: 'name a folder or s3://BUCKET/PREFIX/',
  });
}

/** Where one snapshot goes. */
export async function openTarget(
  place: SnapshotPlace,
  { settings, signal, note }: { settings: SnapshotSettings; signal: AbortSignal; note: (text: string) => void },
): Promise<SnapshotTarget> {
  if (place.kind === 'stdout') return stdoutTarget(signal);
  if (place.kind === 'path') return isForMany(place) ? folderTarget(resolve(place.path)) : fileTarget(resolve(place.path));
  const { s3Target } = await import('../../drivers/snapshot/s3-store.ts');
  return s3Target({ ...settings.s3, bucket: place.bucket }, { key: place.key, signal, note });
}

/** Whether hale gives the names of the snapshots there. */
export function isForMany(place: SnapshotPlace): boolean {
  if (place.kind === 's3') return place.key === asPrefix(place.key);
  return place.kind === 'path' && (place.path.endsWith('/') || statSync(place.path, { throwIfNoEntry: false })?.isDirectory() === true);
}
