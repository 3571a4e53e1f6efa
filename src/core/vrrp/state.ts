/** What the virtual router knows, is told and asks for; how it decides is in router.ts. */
import type { Family } from '../../base/address.ts';
import type { Advertisement, ChecksumForm, VrrpAuthType, VrrpDecline, VrrpVersion } from './wire.ts';

export interface VirtualRouterConfig {
  version: VrrpVersion;
  /** 1 to 255. */
  virtualRouterId: number;
  /** Version 3: 10 to 40,950 in steps of 10. Version 2: whole seconds up to 255,000. */
  advertiseIntervalMs: number;
  /** Whether a higher priority takes the place of a lower one that does its work. */
  preempt: boolean;
  /** How long a lower priority is left in its place, from when it was first heard after the start or after an equal or higher one. */
  preemptDelayMs: number;
  /** How long after its start this router neither speaks nor counts silence. */
  startupDelayMs: number;
  /** An Active with a priority under this is not fit to serve: it is preempted at once, also with `preempt` off, by one that is. */
  unfitBelow: number;
  /** How this router writes what others may read differently, to be compared with theirs. */
  authType: VrrpAuthType;
  checksumForm: ChecksumForm;
  /** One or two, of different families: one state for all. Equal priorities are decided by the addresses of the first. */
  links: readonly VirtualRouterLink[];
}

export interface VirtualRouterLink {
  family: Family;
  /** The primary address: messages are sent from it. */
  source: string;
  /** The shared addresses of the family. */
  addresses: readonly string[];
  /** With unicast, the only ones that are listened to; undefined with multicast. */
  peers?: readonly string[];
}

/** RFC 9568 section 6.4; Active is called Master by RFC 3768. */
export type VirtualRouterPhase = 'initialize' | 'backup' | 'active';

export interface VirtualRouterState {
  config: VirtualRouterConfig;
  phase: VirtualRouterPhase;
  /** 0 when this host must not hold. */
  priority: number;
  shutDown: boolean;
  /** In `initialize`: not before then. */
  startAt: number;
  /** In `backup`: the Active_Down_Timer, as what it counts from, so that a change of priority moves its end. */
  silence: { since: number; after: 'interval' | 'skew'; foundOverAt: number | undefined };
  /** In `backup`: the interval that the Active tells (Active_Adver_Interval). */
  activeAdverIntervalMs: number;
  /** In `backup`: when a lower priority was first heard that has not been followed by an equal or higher one. */
  lowerSince: number | undefined;
  /** On each link, who was heard last as Active, and who before it. */
  heard: readonly (HeardActive | undefined)[];
  /** In `active`: the Adver_Timer. */
  advertiseAt: number;
  /** In `active`: when a lower priority was last answered. */
  assertedAt: number;
  /** In `active`: whether the last advertisement did not go out. */
  unsent: boolean;
  /** In `active`: the kernel answers until then; -Infinity before the first advertisement has gone out. */
  holdUntil: number;
  /** In `initialize`: the addresses are still answered for, until another router is heard as Active or the lease ends; and why this one gave up. */
  resigning: LostReason | undefined;
  /** Why this router is about to be, or is, Active. */
  activeReason: ActiveReason;
  /** When to announce again. */
  announceAt: readonly number[];
  announcedAt: number;
  /** When each kind of warning was last given. */
  warnedAt: Partial<Record<VrrpWarning['kind'], number>>;
}

export interface HeardActive {
  from: string;
  priority: number;
  at: number;
  before: { from: string; at: number } | undefined;
}

/** RFC 8347 `new-active-reason`, and `resigned` for what it has no word for. */
export type ActiveReason = 'priority' | 'preempted' | 'no-response' | 'resigned';

export interface HeardFrom {
  /** Index into the links of the configuration. */
  link: number;
  from: string;
  to: string;
  ttl: number;
}

export type VirtualRouterInput =
  | { kind: 'tick' }
  | ({ kind: 'advertisement'; message: Advertisement; checksumForm: ChecksumForm | undefined } & HeardFrom)
  | ({ kind: 'malformed'; reason: VrrpDecline; version?: number; virtualRouterId?: number; authType?: number } & HeardFrom)
  /** 0: this host must not hold. */
  | { kind: 'priority'; priority: number }
  | { kind: 'shutdown' }
  /** What became of the `send` of that time: `ok` when it went out on at least one link; `reason` when not on all. */
  | { kind: 'sent'; at: number; ok: boolean; reason: string | undefined }
  /** The kernel does not answer for the addresses. */
  | { kind: 'hold-failed'; reason: string };

export type LostReason =
  /** Another Active has a higher priority, or the same and a greater address. */
  | 'preempted'
  /** The process woke after its time was over. */
  | 'late'
  /** No advertisement went out in time. */
  | 'not-sent'
  | 'hold-failed'
  /** Priority 0. */
  | 'unfit'
  | 'shutdown';

/** Why an advertisement has no effect but, maybe, a warning. */
export type AdvertisementDeclined =
  | VrrpDecline
  | 'ttl'
  | 'own-address'
  | 'unknown-peer'
  | 'other-virtual-router'
  | 'other-version'
  | 'other-interval'
  | 'other-addresses'
  | 'initialize'
  /** In `backup`, while this router waits to take its place; in `active`, answered with an advertisement. */
  | 'lower-priority';

export type VrrpWarning =
  | { kind: 'address-list-differs'; from: string; theirs: readonly string[]; ours: readonly string[] }
  /** The same virtual router id with none of our addresses: it needs another id. */
  | { kind: 'other-cluster'; from: string; virtualRouterId: number; theirs: readonly string[]; ours: readonly string[] }
  | { kind: 'version-differs'; from: string; theirs: number; ours: VrrpVersion }
  | { kind: 'interval-differs'; from: string; theirsMs: number; oursMs: number }
  | { kind: 'ttl'; from: string; ttl: number }
  | { kind: 'auth-type'; from: string; theirs: number; ours: VrrpAuthType }
  | { kind: 'auth-password'; from: string }
  | { kind: 'checksum'; from: string }
  /** The peer computes it the other way, and may not accept ours. */
  | { kind: 'checksum-form-differs'; from: string; theirs: ChecksumForm; ours: ChecksumForm }
  /** It sends to the group and we to peers, or the other way round, and does not hear us. */
  | { kind: 'delivery-differs'; from: string; theirs: 'multicast' | 'unicast' }
  | { kind: 'unknown-peer'; from: string }
  /** A loop in the network, or another host with our address. */
  | { kind: 'own-address'; from: string }
  | { kind: 'several-active'; actives: readonly string[] }
  | { kind: 'send-failed'; reason: string };

export type VirtualRouterOutput =
  /** To all destinations of all links, each with its addresses; answered with `sent`. */
  | { kind: 'send'; priority: number; at: number }
  | { kind: 'hold'; until: number }
  | { kind: 'withdraw' }
  | { kind: 'announce' }
  | { kind: 'became-active'; reason: ActiveReason }
  | { kind: 'became-backup' }
  /** The addresses are not held any more. `by` is the one that took them. */
  | { kind: 'lost'; reason: LostReason; by?: { from: string; priority: number } }
  | { kind: 'declined'; reason: AdvertisementDeclined; link: number; from: string }
  | { kind: 'warned'; warning: VrrpWarning };
