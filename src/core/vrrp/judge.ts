/** What is wrong with a received advertisement, whatever state the router is in: RFC 9568 section 7.1, RFC 3768 section 7.1. */
import type { AdvertisementDeclined, HeardFrom, VirtualRouterConfig, VirtualRouterInput, VirtualRouterLink, VrrpWarning } from './state.ts';
import { type Advertisement, type ChecksumForm, vrrpGroup } from './wire.ts';

const TTL = 255;
/** Damaged: what its fields say is not to be believed. */
const damaged: readonly string[] = ['packet-length', 'type', 'checksum'];

export type ReceivedAdvertisement = Extract<VirtualRouterInput, { kind: 'advertisement' }>;
export type ReceivedMalformed = Extract<VirtualRouterInput, { kind: 'malformed' }>;

export interface Judgement {
  /** Undefined when the advertisement counts. */
  declined: AdvertisementDeclined | undefined;
  warnings: VrrpWarning[];
}

export function judgeMalformed(config: VirtualRouterConfig, input: ReceivedMalformed): Judgement {
  const { from, reason, version, virtualRouterId, authType } = input;
  const outer = judgeSender(config, input, virtualRouterId);
  if (outer !== undefined) return outer;
  if (version !== undefined && version !== config.version && !damaged.includes(reason)) return otherVersion(config, { from, version });
  if (reason === 'checksum' || reason === 'auth-password') return { declined: reason, warnings: [{ kind: reason, from }] };
  if (reason !== 'auth-type') return { declined: reason, warnings: [] };
  return { declined: reason, warnings: [{ kind: reason, from, theirs: authType ?? 0, ours: config.authType }] };
}

export function judgeAdvertisement(config: VirtualRouterConfig, input: ReceivedAdvertisement): Judgement {
  const { message, from } = input;
  const outer = judgeSender(config, input, message.virtualRouterId, message.addresses);
  if (outer !== undefined) return outer;
  if (message.version !== config.version) return otherVersion(config, { from, version: message.version });
  const link = linkOf(config, input);
  const { addresses: ours } = link;
  const { addresses: theirs, virtualRouterId } = message;
  // Their addresses are not ours: who serves them says nothing about who serves ours.
  if (!overlap(theirs, ours)) {
    return { declined: 'other-addresses', warnings: [{ kind: 'other-cluster', from, virtualRouterId, theirs, ours }] };
  }
  const warnings: VrrpWarning[] = isSameList(theirs, ours) ? [] : [{ kind: 'address-list-differs', from, theirs, ours }];
  warnings.push(...judgeManner({ config, link }, input));
  const differs = message.maxAdvertiseIntervalMs !== config.advertiseIntervalMs;
  if (differs) {
    warnings.push({ kind: 'interval-differs', from, theirsMs: message.maxAdvertiseIntervalMs, oursMs: config.advertiseIntervalMs });
  }
  // Version 3 learns the Active's interval; version 2 cannot (RFC 3768 section 7.1).
  return { declined: differs && config.version === 2 ? 'other-interval' : undefined, warnings };
}

/** Where it comes from, and for whom it is. */
function judgeSender(
  config: VirtualRouterConfig,
  input: HeardFrom,
  virtualRouterId: number | undefined,
  addresses: readonly string[] = [],
): Judgement | undefined {
  const { from, ttl } = input;
  const link = linkOf(config, input);
  if (from === link.source) return { declined: 'own-address', warnings: [{ kind: 'own-address', from }] };
  if (virtualRouterId !== undefined && virtualRouterId !== config.virtualRouterId) {
    return { declined: 'other-virtual-router', warnings: [] };
  }
  // keepalived 2.2.7 sends unicast over IPv6 with whatever the kernel sets, and no RFC knows of unicast.
  const isChecked = link.family === 'IPv4' || link.peers === undefined;
  if (isChecked && ttl !== TTL) return { declined: 'ttl', warnings: [{ kind: 'ttl', from, ttl }] };
  if (link.peers === undefined || link.peers.includes(from)) return undefined;
  // With unicast, groups that do not talk to each other may have the same id.
  return { declined: 'unknown-peer', warnings: overlap(addresses, link.addresses) ? [{ kind: 'unknown-peer', from }] : [] };
}

/** What works in one direction only, maybe. */
function judgeManner(
  { config, link }: { config: VirtualRouterConfig; link: VirtualRouterLink },
  { from, to, checksumForm }: { from: string; to: string; checksumForm: ChecksumForm | undefined },
): VrrpWarning[] {
  const warnings: VrrpWarning[] = [];
  const theirs = to === vrrpGroup[link.family] ? 'multicast' : 'unicast';
  if (theirs !== (link.peers === undefined ? 'multicast' : 'unicast')) warnings.push({ kind: 'delivery-differs', from, theirs });
  if (checksumForm !== undefined && checksumForm !== config.checksumForm) {
    warnings.push({ kind: 'checksum-form-differs', from, theirs: checksumForm, ours: config.checksumForm });
  }
  return warnings;
}

function otherVersion(config: VirtualRouterConfig, { from, version }: { from: string; version: number }): Judgement {
  return { declined: 'other-version', warnings: [{ kind: 'version-differs', from, theirs: version, ours: config.version }] };
}

export function linkOf(config: VirtualRouterConfig, { link }: { link: number }): VirtualRouterLink {
  return config.links[link] as VirtualRouterLink;
}

function overlap(some: Advertisement['addresses'], others: readonly string[]): boolean {
  return some.some((address) => others.includes(address));
}

function isSameList(some: readonly string[], others: readonly string[]): boolean {
  return new Set(some).size === new Set(others).size && some.every((address) => others.includes(address));
}
