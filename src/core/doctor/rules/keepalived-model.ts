/** What rules ask keepalived.conf: instances with their settings, and which of them belong together. */
import type { Facts } from '../facts.ts';
import type { KeepalivedConfig, KeepalivedEntry } from '../read/keepalived.ts';
import type { Span } from '../text-file.ts';
import { isSameHost } from './same-host.ts';

export interface VrrpInstance {
  config: KeepalivedConfig;
  entry: KeepalivedEntry;
  name: string;
}

export interface VirtualAddress {
  /** Without prefix length. */
  address: string;
  span: Span;
}

/** Entries with one of the keywords, in a block or at the top. */
export const entriesOf = (entries: readonly KeepalivedEntry[] | undefined, ...keywords: readonly string[]): KeepalivedEntry[] =>
  (entries ?? []).filter(({ words }) => keywords.includes(words[0] ?? ''));

/** The last counts. */
export const entryOf = ({ block }: KeepalivedEntry, ...keywords: readonly string[]): KeepalivedEntry | undefined =>
  entriesOf(block, ...keywords).at(-1);
export const valueOf = (entry: KeepalivedEntry, ...keywords: readonly string[]): string | undefined =>
  entryOf(entry, ...keywords)?.words[1];
/** Undefined for what is missing, and for a variable. */
export function numberOf(entry: KeepalivedEntry, ...keywords: readonly string[]): number | undefined {
  const value = valueOf(entry, ...keywords);
  return value !== undefined && /^[+-]?\d+(?:\.\d+)?$/.test(value) ? Number(value) : undefined;
}

export const instancesOf = ({ keepalived }: Pick<Facts, 'keepalived'>): VrrpInstance[] =>
  keepalived.flatMap((config) =>
    entriesOf(config.entries, 'vrrp_instance').map((entry) => ({ config, entry, name: entry.words[1] ?? '' })),
  );

export const globalsOf = ({ entries }: KeepalivedConfig): KeepalivedEntry[] => entriesOf(entries, 'global_defs');
export const globalOf = (config: KeepalivedConfig, ...keywords: readonly string[]): KeepalivedEntry | undefined =>
  globalsOf(config)
    .flatMap((entry) => entryOf(entry, ...keywords) ?? [])
    .at(-1);

export const versionOf = ({ config, entry }: VrrpInstance): number =>
  Number(valueOf(entry, 'version') ?? globalOf(config, 'vrrp_version')?.words[1] ?? 2);

/** All words of a block that holds names or addresses, on one line or on several. */
export const listOf = (entry: KeepalivedEntry, ...keywords: readonly string[]): { text: string; span: Span }[] =>
  entriesOf(entry.block, ...keywords).flatMap(({ block = [] }) =>
    block.flatMap(({ words: [text = ''], spans: [span] }) => (span === undefined ? [] : [{ text, span }])),
  );

const bare = (address: string): string => address.replace(/\/.*$/, '');
export const addressesOf = ({ entry }: VrrpInstance): VirtualAddress[] =>
  listOf(entry, 'virtual_ipaddress').map(({ text, span }) => ({ address: bare(text), span }));
export const virtualAddresses = (facts: Pick<Facts, 'keepalived'>): VirtualAddress[] => instancesOf(facts).flatMap(addressesOf);

/** The host’s own address, as its instances say it. */
export const ownAddress = ({ entry }: VrrpInstance): string | undefined => {
  const address = valueOf(entry, 'unicast_src_ip', 'mcast_src_ip');
  // A variable may be any.
  return address?.includes('$') === true ? undefined : address;
};
export const hostAddresses = (configs: readonly KeepalivedConfig[]): string[] =>
  instancesOf({ keepalived: configs }).flatMap((instance) => ownAddress(instance) ?? []);
export const peersOf = ({ entry }: VrrpInstance): { text: string; span: Span }[] => listOf(entry, 'unicast_peer');
export const isUnicast = (instance: VrrpInstance): boolean => entriesOf(instance.entry.block, 'unicast_peer').length > 0;

/** Rules ask for them one after the other. */
const groupsKnown = new WeakMap<Facts['keepalived'], VrrpInstance[][]>();

/** Instances of several hosts that guard the same address; each group has at least two files. */
export function groupsOf(facts: Pick<Facts, 'keepalived'>): VrrpInstance[][] {
  const known = groupsKnown.get(facts.keepalived);
  if (known !== undefined) return known;
  const byAddress = new Map<string, VrrpInstance[]>();
  const all = new Set<VrrpInstance[]>();
  for (const instance of instancesOf(facts)) {
    const addresses = addressesOf(instance).map(({ address }) => address);
    const group = addresses.map((address) => byAddress.get(address)).find((found) => found !== undefined) ?? [];
    // A second one in the same file guards it too, but not from another host.
    if (!group.some(({ config }) => config === instance.config)) group.push(instance);
    for (const address of addresses) if (!byAddress.has(address)) byAddress.set(address, group);
    all.add(group);
  }
  const found = [...all].filter((group) => group.length > 1);
  groupsKnown.set(facts.keepalived, found);
  return found;
}

/** Check scripts of an instance's host, or the processes that it watches, by name. */
export function scriptsOf(
  facts: Pick<Facts, 'keepalived'>,
  { config }: Pick<VrrpInstance, 'config'>,
  keyword: 'vrrp_script' | 'vrrp_track_process' = 'vrrp_script',
): Map<string, KeepalivedEntry> {
  const configs = facts.keepalived.filter((candidate) => candidate === config || isSameHost(candidate.file, config.file));
  return new Map(configs.flatMap(({ entries }) => entriesOf(entries, keyword).map((entry) => [entry.words[1] ?? '', entry] as const)));
}

/** Names of the scripts or processes that an instance tracks, itself or by its group, with the weight that it gives them. */
export function trackedBy(
  { config, entry, name }: VrrpInstance,
  keyword: 'track_script' | 'track_process' = 'track_script',
): { name: string; weight: number | undefined; span: Span }[] {
  const groups = entriesOf(config.entries, 'vrrp_sync_group').filter((group) => listOf(group, 'group').some(({ text }) => text === name));
  return [entry, ...groups].flatMap((owner) =>
    entriesOf(owner.block, keyword).flatMap(({ block = [] }) =>
      block.flatMap(({ words, span }) => {
        const at = words.indexOf('weight');
        return words[0] === undefined ? [] : [{ name: words[0], weight: at === -1 ? undefined : Number(words[at + 1]), span }];
      }),
    ),
  );
}

/** Replaces a setting's first value. */
export const replaceValue = ({ spans }: KeepalivedEntry, text: string) => [{ span: spans[1] as Span, text }];
