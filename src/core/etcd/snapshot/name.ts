/** Names of snapshots, which sort by time and tell what is inside: `hale-prod-20261122T081500Z-rev1234.db`, with `.age` when it is encrypted. */

export interface SnapshotName {
  /** A DNS label. */
  cluster: string;
  /** When it was begun: whole seconds since 1970, in milliseconds. */
  takenAtMs: number;
  /** Of etcd: the snapshot holds this revision, and perhaps newer ones. */
  revision: number;
  isEncrypted: boolean;
}

const NAME = /^hale-([a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)-(\d{8}T\d{6}Z)-rev(0|[1-9]\d{0,15})\.db(\.age)?$/;

export function formatSnapshotName({ cluster, takenAtMs, revision, isEncrypted }: SnapshotName): string {
  return `hale-${cluster}-${compactTime(takenAtMs)}-rev${revision}.db${isEncrypted ? '.age' : ''}`;
}

/** Undefined for what hale did not name. */
export function parseSnapshotName(name: string): SnapshotName | undefined {
  const [, cluster, time, revision, suffix] = NAME.exec(name) ?? [];
  if (cluster === undefined || time === undefined || revision === undefined) return undefined;
  const takenAtMs = Date.parse(time.replace(/^(....)(..)(..T..)(..)(..Z)$/, '$1-$2-$3:$4:$5'));
  const parsed = { cluster, takenAtMs, revision: Number(revision), isEncrypted: suffix !== undefined };
  // 30 February, and a revision beyond what a number holds exactly, come back as something else.
  return !Number.isNaN(takenAtMs) && formatSnapshotName(parsed) === name ? parsed : undefined;
}

/** UTC, to the second (ISO 8601, basic format). */
function compactTime(ms: number): string {
  return new Date(ms).toISOString().replace(/[-:]|\.\d+/g, '');
}
