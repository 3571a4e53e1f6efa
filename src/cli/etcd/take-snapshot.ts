import { createHash } from 'node:crypto';
import { HaleError } from '../../base/error.ts';
import { quorumText } from '../../core/etcd/quorum.ts';
import { sizeText } from '../../core/etcd/size-text.ts';
import { formatSnapshotName } from '../../core/etcd/snapshot/name.ts';
import type { SnapshotPlace } from '../../core/etcd/snapshot/place.ts';
import { corruptMembers, type SnapshotSource, snapshotSources } from '../../core/etcd/snapshot/source.ts';
import type { EtcdView } from '../../core/etcd/view.ts';
import type { EtcdAccess } from '../../drivers/etcd/access.ts';
import { checkRecipients, encrypted } from '../../drivers/snapshot/age.ts';
import { lookAtEtcd } from '../../engine/etcd/look.ts';
import { saveSnapshot } from '../../engine/etcd/save-snapshot.ts';
import type { Progress } from '../progress.ts';
import { withEtcd } from './options.ts';
import { openTarget, type SnapshotSettings } from './snapshot-settings.ts';

/** A member that is to send its database may have to read all of it from its disk first. */
const SNAPSHOT_SILENCE_MS = 15_000;
/** In the names of snapshots, where nothing says what the cluster is called. */
const NAMELESS = 'etcd';

export interface TakeOptions {
  place: SnapshotPlace;
  settings: SnapshotSettings;
  access: EtcdAccess;
  /** Of a member that is asked for its status. */
  timeoutMs: number;
  /** Name or id; the best one when absent. */
  member?: string;
  /** Public keys of age; not encrypted when empty. */
  recipients: readonly string[];
  progress: Progress;
  signal: AbortSignal;
}

/** The document of `hale etcd snapshot save --json`. */
export interface TakenSnapshot {
  name: string;
  place: string;
  member: { id: string; name: string };
  /** The snapshot holds this revision, and perhaps newer ones. */
  revision: number;
  sizeBytes: number;
  storedBytes: number;
  isEncrypted: boolean;
  hasQuorum: boolean;
  takenAt: string;
  durationMs: number;
  notes: readonly string[];
}

/** Chooses a member, and saves its snapshot. HaleErrors `age_recipient_wrong`, `snapshot_no_member`, `snapshot_member_unknown`, and those of etcd and of the place. */
export async function takeSnapshot(options: TakeOptions): Promise<TakenSnapshot> {
  const { access, timeoutMs } = options;
  checkRecipients(options.recipients);
  const view = await withEtcd({ access, timeoutMs }, (etcd) => lookAtEtcd({ etcd, urls: access.endpoints }));
  const sources = chosenSources(view, options.member);
  const notes = [...notesOn(view, sources)];
  for (const note of notes) options.progress.step(`note: ${note}`);
  return await withEtcd({ access, timeoutMs: Math.max(timeoutMs, SNAPSHOT_SILENCE_MS) }, async (etcd) => {
    const { settings, recipients, progress, signal } = options;
    const startedAt = Date.now();
    const note = (text: string) => {
      notes.push(text);
      progress.step(`note: ${text}`);
    };
    const isEncrypted = recipients.length > 0;
    const cluster = settings.clusterName ?? NAMELESS;
    const { source, ...saved } = await saveSnapshot({
      etcd,
      sources,
      target: await openTarget(options.place, { settings, signal, note }),
      nameOf: (revision) => formatSnapshotName({ cluster, takenAtMs: startedAt, revision, isEncrypted }),
      seal: (plain) => (isEncrypted ? encrypted(plain, recipients) : plain),
      createHash: () => createHash('sha256'),
      signal,
      onBegin: ({ name }, revision) => progress.step(`asking ${name}, which is at revision ${revision}`),
      onProgress: ({ doneBytes, totalBytes }) => progress.at(progressText(doneBytes, totalBytes)),
      onNote: note,
    });
    return {
      name: saved.name,
      place: saved.place,
      member: { id: source.id, name: source.name },
      revision: saved.revision,
      sizeBytes: saved.sizeBytes,
      storedBytes: saved.storedBytes,
      isEncrypted,
      hasQuorum: view.quorum.canLose >= 0,
      takenAt: new Date(startedAt).toISOString(),
      durationMs: Date.now() - startedAt,
      notes: [...notes, ...saved.notes],
    };
  });
}

function progressText(doneBytes: number, totalBytes: number): string {
  return `${Math.floor((100 * doneBytes) / totalBytes)} %: ${sizeText(doneBytes)} of ${sizeText(totalBytes)}`;
}

/** Whom to ask, in this order. */
function chosenSources(view: EtcdView, wanted: string | undefined): SnapshotSource[] {
  const able = snapshotSources(view);
  if (wanted !== undefined) return [chosenSource(view, { wanted, able })];
  if (able.length > 0) return able;
  const problems = view.members.map(({ name, url, problem }) => `${name || url}: ${problem ?? 'is a learner'}`);
  const others = view.others.map(({ url, problem }) => `${url}: ${problem ?? 'is no member'}`);
  throw new HaleError({
    code: 'snapshot_no_member',
    kind: 'world',
    message: `no voting member of etcd answers, so none can give a snapshot: ${[...problems, ...others].join('; ')}`,
    remedy:
      'start at least one member; a snapshot needs no quorum. Without any, the file member/snap/db in the data folder of a stopped member is what is left',
  });
}

function chosenSource(view: EtcdView, { wanted, able }: { wanted: string; able: readonly SnapshotSource[] }): SnapshotSource {
  const source = able.find(({ id, name }) => id === wanted || name === wanted);
  if (source !== undefined) return source;
  const member = view.members.find(({ id, name }) => id === wanted || name === wanted);
  if (member === undefined) {
    throw new HaleError({
      code: 'snapshot_member_unknown',
      kind: 'usage',
      message: `--member ${wanted}: no member is called that`,
      remedy: `name one of ${view.members.map(({ name, id }) => name || id).join(', ')}`,
    });
  }
  const reason = member.isLearner ? 'is a learner, whose data may be half there' : (member.problem ?? 'does not answer');
  throw new HaleError({
    code: 'snapshot_member_unfit',
    kind: 'world',
    message: `${wanted} can give no snapshot: it ${reason}`,
    remedy: 'leave out --member, so that hale asks one that can',
  });
}

function* notesOn(view: EtcdView, [first]: readonly SnapshotSource[]): Generator<string> {
  if (view.quorum.canLose < 0) {
    yield `${quorumText(view.quorum)}; the snapshot holds what ${first?.name} has, which may lack the last writes`;
  }
  if (first !== undefined && corruptMembers(view.members).has(first.id)) {
    yield `etcd says that the data of ${first.name} is corrupt, and no other member answers`;
  }
}
