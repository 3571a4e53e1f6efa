import { HaleError } from '../../../base/error.ts';
import { decodeAsciiJson, encodeAsciiJson } from '../../../base/ascii-json.ts';
import { type ComingMember, isSamePlace, type JoinedBy, type MemberRef, memberText } from './step.ts';
import { isAlive, isPending } from './state.ts';
import type { EtcdMemberView } from '../view.ts';

/** What the members are to become. Steps follow from it and from a view alone, so that whoever says the same again goes on where the first stopped. */
export interface MemberTarget {
  leaving?: LeavingMember;
  /** With `id` once it was seen: what came is not exchanged for another at the same URL. */
  coming?: ComingMember & { by: JoinedBy; id?: string };
  accepts: Accepted;
}

export interface LeavingMember extends MemberRef {
  peerUrls: readonly string[];
}

/** What only the operator can decide. */
export interface Accepted {
  /** That a member is replaced which answers. */
  living?: boolean;
  /** That one voter is left alone. */
  single?: boolean;
}

/** A replacement that was begun. Kept in etcd from before its first step until after its last: a member that is gone is in no list. */
export interface ReplaceRecord {
  leaving: LeavingMember;
  coming: ComingMember & { by: JoinedBy };
}

/** As on the command line. */
export type MemberWish =
  | { verb: 'add'; name: string; peerUrls: readonly string[] | undefined; by: JoinedBy }
  | { verb: 'remove'; member: string }
  | { verb: 'replace'; member: string; name: string | undefined; peerUrls: readonly string[] | undefined; by: JoinedBy }
  | { verb: 'promote'; member: string };

type KnownMember = Pick<EtcdMemberView, 'id' | 'name' | 'peerUrls' | 'isLearner' | 'status' | 'lag'>;

export interface Known {
  members: readonly KnownMember[];
  /** Of a replacement that was begun and whose end nobody recorded. */
  record: ReplaceRecord | undefined;
  /** Peer URLs of a host of the cluster description. */
  urlsOf: (name: string) => readonly string[] | undefined;
}

/** Whom the words mean. HaleErrors: `etcd_member_unknown`, `etcd_member_ambiguous`, `etcd_peer_url_missing`. */
export function targetOf(wish: MemberWish, accepts: Accepted, known: Known): MemberTarget {
  switch (wish.verb) {
    case 'add': {
      const { name, by } = wish;
      return { coming: { name, by, peerUrls: wish.peerUrls ?? requireUrls(name, known) }, accepts };
    }
    case 'remove':
      return { leaving: leavingOf(findMember(wish.member, known.members)), accepts };
    case 'replace':
      return { ...replacement(wish, known), accepts };
    case 'promote': {
      const { id, name, peerUrls } = findMember(wish.member, known.members);
      return { coming: { id, name: name || wish.member, peerUrls, by: 'hale' }, accepts };
    }
  }
}

type ReplaceWish = Extract<MemberWish, { verb: 'replace' }>;

function replacement(wish: ReplaceWish, known: Known): ReplaceRecord {
  const begun = begunReplacement(wish, known);
  if (begun !== undefined) return begun;
  const old = findMember(wish.member, known.members);
  const name = wish.name ?? old.name;
  const isSameHost = name === old.name;
  const peerUrls = wish.peerUrls ?? (isSameHost ? old.peerUrls : requireUrls(name, known));
  return { leaving: leavingOf(old), coming: { name, peerUrls, by: wish.by } };
}

/** The recorded replacement, if that is what is asked for again: the old member is gone, and the new one is not dead, to be replaced in turn. */
function begunReplacement(wish: ReplaceWish, { members, record }: Known): ReplaceRecord | undefined {
  if (record === undefined) return undefined;
  const { leaving, coming } = record;
  if (wish.member !== leaving.name && idOf(wish.member) !== leaving.id && !leaving.peerUrls.includes(wish.member)) return undefined;
  if (wish.name !== undefined && wish.name !== coming.name) return undefined;
  if (wish.peerUrls !== undefined && !isSamePlace(wish.peerUrls, coming.peerUrls)) return undefined;
  if (members.some(({ id }) => id === leaving.id)) return undefined;
  const arrived = members.find(({ peerUrls }) => isSamePlace(peerUrls, coming.peerUrls));
  // A voter that lives has been brought in by it: nothing is left but to forget the record.
  const isOpen = arrived === undefined || isPending(arrived) || isAlive(arrived);
  return isOpen ? { leaving, coming: { ...coming, by: wish.by } } : undefined;
}

function leavingOf({ id, name, peerUrls }: KnownMember): LeavingMember {
  return { id, name, peerUrls };
}

/** By id, name or one of its peer URLs. HaleErrors: `etcd_member_unknown`, `etcd_member_ambiguous`. */
export function findMember<M extends KnownMember>(word: string, members: readonly M[]): M {
  const id = idOf(word);
  const found = members.filter((member) => member.id === id || (word !== '' && member.name === word) || member.peerUrls.includes(word));
  const [first] = found;
  if (first !== undefined && found.length === 1) return first;
  const list = (some: readonly M[]) => some.map((member) => `${memberText(member)} at ${member.peerUrls.join(', ')}`).join('; ');
  if (first !== undefined) {
    throw new HaleError({
      code: 'etcd_member_ambiguous',
      kind: 'usage',
      message: `${JSON.stringify(word)} means more than one member: ${list(found)}`,
      remedy: 'name it by its id',
    });
  }
  throw new HaleError({
    code: 'etcd_member_unknown',
    kind: 'usage',
    message: `no member of etcd has the name, id or peer URL ${JSON.stringify(word)}; there are: ${list(members) || 'none that answer'}`,
    remedy: 'see them with hale etcd member list; one that was removed already is added again with hale etcd member add',
  });
}

/** etcdctl writes ids without, other tools with a leading 0x or zeros. */
function idOf(word: string): string {
  return word.toLowerCase().replace(/^(0x)?0*/, '');
}

function requireUrls(name: string, { urlsOf }: Known): readonly string[] {
  const urls = urlsOf(name);
  if (urls !== undefined) return urls;
  throw new HaleError({
    code: 'etcd_peer_url_missing',
    kind: 'usage',
    message: `nothing says at which peer URL ${JSON.stringify(name)} will be reached: it is no host of a cluster description`,
    remedy: 'give it: --peer-url https://ADDRESS:2380',
  });
}

export function encodeReplacement({ leaving, coming }: ReplaceRecord): Uint8Array {
  return encodeAsciiJson({ leaving, coming });
}

/** Undefined when it is something else. */
export function decodeReplacement(bytes: Uint8Array): ReplaceRecord | undefined {
  const value = decodeAsciiJson(bytes) as Partial<ReplaceRecord> | null | undefined;
  const isPlace = (member: Partial<ComingMember> | undefined) =>
    typeof member?.name === 'string' && Array.isArray(member.peerUrls) && member.peerUrls.every((url) => typeof url === 'string');
  const isRecord = isPlace(value?.leaving) && typeof value?.leaving?.id === 'string' && isPlace(value?.coming);
  return isRecord ? (value as ReplaceRecord) : undefined;
}
