import type { Cluster } from '../../cluster/schema.ts';
import { kubernetesMinor } from '../release.ts';
import { because } from '../yaml.ts';

/** The first release whose snapshots in S3 are counted by themselves (docs.k3s.io, "k3s etcd-snapshot"). */
const S3_RETENTION_MINOR = 34;

/** What `etcd.snapshots` says, as k3s and RKE2 take it; nothing where it schedules nothing, which leaves them their own every 12 hours. */
export function snapshotKeys(cluster: Cluster): Record<string, unknown> {
  const { everyMinutes, keep, folder, s3 } = cluster.etcd.snapshots;
  if (everyMinutes === undefined) return {};
  const count = keep.last + keep.hourly + keep.daily + keep.weekly;
  return {
    'etcd-snapshot-schedule-cron': because(
      'Every server saves on its own disk (and in S3), so any one of them will do for a restore.',
      schedule(everyMinutes),
    ),
    'etcd-snapshot-retention': because(
      'The newest so many; there are no hourly, daily and weekly ones here, so it is the sum of etcd.snapshots.keep.',
      count,
    ),
    'etcd-snapshot-dir': folder,
    ...(s3 === undefined ? {} : s3Keys(s3, kubernetesMinor(cluster) >= S3_RETENTION_MINOR ? count : undefined)),
  };
}

/** In the form of cron(8) where that can say it. */
export function schedule(minutes: number): string {
  const hours = minutes / 60;
  if (minutes === 1) return '* * * * *';
  if (60 % minutes === 0) return minutes === 60 ? '0 * * * *' : `*/${minutes} * * * *`;
  if (hours === 24) return '0 0 * * *';
  return Number.isInteger(hours) && 24 % hours === 0 ? `0 */${hours} * * *` : `@every ${minutes}m`;
}

type S3 = NonNullable<Cluster['etcd']['snapshots']['s3']>;

function s3Keys(
  { bucket, prefix, region, endpoint, pathStyle, caFile, credentialsFile }: S3,
  retention: number | undefined,
): Record<string, unknown> {
  const [, scheme, host] = /^(https?):\/\/([^/]+)/.exec(endpoint ?? '') ?? [];
  const folder = prefix.replace(/\/$/, '');
  return {
    'etcd-s3': because(
      credentialsFile === undefined
        ? 'Without a key: by the role of the machine.'
        : 'The key for it is in a file of its own, config.yaml.d/s3-credentials.yaml (STEPS.md).',
      true,
    ),
    'etcd-s3-bucket': bucket,
    'etcd-s3-folder': folder === '' ? undefined : folder,
    'etcd-s3-region': region,
    'etcd-s3-endpoint': host,
    'etcd-s3-insecure': scheme === 'http' ? because('The endpoint is plain HTTP.', true) : undefined,
    'etcd-s3-endpoint-ca': caFile,
    'etcd-s3-bucket-lookup-type': pathStyle === undefined ? undefined : pathStyle ? 'path' : 'dns',
    'etcd-s3-retention': retention,
  };
}
