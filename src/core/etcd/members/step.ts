import { printable } from '../../../base/printable.ts';
import type { Quorum } from '../quorum.ts';

/** A member by what people call it; the name is empty until it has started for the first time. */
export interface MemberRef {
  /** Hexadecimal; empty where only a plan knows it. */
  id: string;
  name: string;
}

/** A member that comes. Its peer URLs tell it from every other: etcd takes no URL twice. */
export interface ComingMember {
  name: string;
  peerUrls: readonly string[];
}

/** Who makes a new member known to etcd: hale, or what installs its host. */
export type JoinedBy = 'hale' | 'kubeadm' | 'k3s' | 'rke2';

type Action =
  | { kind: 'move-leader'; from: MemberRef; to: MemberRef }
  | { kind: 'remove'; member: MemberRef }
  /** As a learner. */
  | { kind: 'add'; coming: ComingMember }
  /** Done by people on its host; the step ends when it is in sync. */
  | { kind: 'start'; coming: ComingMember }
  | { kind: 'promote'; coming: ComingMember }
  /** Everything from being added to being a voter. */
  | { kind: 'join'; coming: ComingMember; by: Exclude<JoinedBy, 'hale'> };

/** One step of a change of members, with the arithmetic before and after it. */
export type MemberStep = Action & { before: Quorum; after: Quorum };
export type MemberAction = Action;

export function memberText({ id, name }: MemberRef): string {
  if (id === '') return printable(name);
  return printable(name === '' ? `member ${id} (not started yet)` : `${name} (member ${id})`);
}

/** What a step does, for people. */
export function stepText(step: MemberAction): string {
  switch (step.kind) {
    case 'move-leader':
      return `move leadership from ${memberText(step.from)} to ${memberText(step.to)}`;
    case 'remove':
      return `remove ${memberText(step.member)}`;
    case 'add':
      return `add ${comingText(step.coming)} as a learner, without a vote`;
    case 'start':
      return `start ${step.coming.name} on its host with an empty data folder (by hand), and wait until it is in sync`;
    case 'promote':
      return `promote ${step.coming.name} to a voter`;
    case 'join':
      return `join ${comingText(step.coming)} on its host (by hand; ${step.by} adds and promotes it), and wait until it is a voter`;
  }
}

function comingText({ name, peerUrls }: ComingMember): string {
  return printable(`${name} (${peerUrls.join(', ')})`);
}

/** Voters, who of them answers, and what is needed: `3 voters, 2 alive, 2 needed: none may fail`. */
export function arithmeticText({ voters, needed, alive, canLose }: Quorum): string {
  const left = canLose < 0 ? 'quorum lost' : canLose === 0 ? 'none may fail' : `${canLose} may fail`;
  return `${voters} ${voters === 1 ? 'voter' : 'voters'}, ${alive} alive, ${needed} needed: ${left}`;
}

/** Whether two actions are the same one; who gets leadership does not matter. */
export function isSameAction(a: MemberAction, b: MemberAction): boolean {
  if (a.kind !== b.kind) return false;
  if (a.kind === 'remove') return b.kind === 'remove' && a.member.id === b.member.id;
  if (a.kind === 'move-leader') return b.kind === 'move-leader' && a.from.id === b.from.id;
  return 'coming' in b && isSamePlace(a.coming.peerUrls, b.coming.peerUrls);
}

/** Whether two lists hold the same URLs. */
export function isSamePlace(a: readonly string[], b: readonly string[]): boolean {
  const [left, right] = [new Set(a.map(bare)), new Set(b.map(bare))];
  return left.size === right.size && [...left].every((url) => right.has(url));
}

function bare(url: string): string {
  return url.replace(/\/$/, '');
}
