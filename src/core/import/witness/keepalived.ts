/** What keepalived.conf says (keepalived.conf(5)). */
import type { Facts } from '../../doctor/facts.ts';
import type { KeepalivedConfig, KeepalivedEntry } from '../../doctor/read/keepalived.ts';
import type { Span } from '../../doctor/text-file.ts';
import { byDefault, type Claim, implies, says } from '../claim.ts';
import { addressAndLength, addressOf, numberOf } from '../values.ts';

export function* keepalivedClaims({ keepalived }: Facts): Generator<Claim> {
  const hosts = new Set(keepalived.map(({ file }) => file.host));
  for (const config of keepalived) {
    const { host } = config.file;
    const instances = config.entries.filter(({ words }) => words[0] === 'vrrp_instance');
    for (const instance of instances) yield* instanceClaims(instance, config);
    const [first] = instances;
    if (first !== undefined) yield { kind: 'carrier', carrier: 'keepalived', at: first.span };
    // One copy of a host's files may lie in a folder of any name.
    if (first !== undefined && hosts.size > 1)
      yield { kind: 'host', name: host, addresses: [], role: 'speaker', weight: 'implies', at: first.span };
    yield* config.entries.filter(({ words }) => words[0] === 'virtual_server').flatMap((server) => [...lvsClaims(server)]);
  }
}

/** Lines of a block that begin with `keyword`. */
function under({ block }: KeepalivedEntry, keyword: string): KeepalivedEntry[] {
  return (block ?? []).filter(({ words }) => words[0] === keyword);
}

/** The word behind `keyword`. */
function wordAfter(entry: KeepalivedEntry, keyword: string): { text: string; at: Span } | undefined {
  const line = under(entry, keyword).at(-1);
  return line?.words[1] === undefined ? undefined : { text: line.words[1], at: line.spans[1] as Span };
}

function* instanceClaims(instance: KeepalivedEntry, config: KeepalivedConfig): Generator<Claim> {
  const addresses = ['virtual_ipaddress', 'virtual_ipaddress_excluded']
    .flatMap((keyword) => under(instance, keyword))
    .flatMap(addressLines);
  for (const { address, length, at } of addresses) {
    const isWhole = length === (address.includes(':') ? 128 : 32);
    yield { kind: 'endpoint', host: address, length: isWhole ? undefined : length, weight: 'says', at };
  }
  const isSecond = addresses.length > 0 && addresses.every(({ address }) => address.includes(':'));
  yield* settingClaims(instance, isSecond ? 'hints' : 'says');
  yield* speakerClaims(instance, config);
}

/** `192.0.2.100/24 dev eth0`, in a block or on the keyword's own line. */
function addressLines({ words, spans, block }: KeepalivedEntry) {
  const lines = [{ words: words.slice(1), spans: spans.slice(1) }, ...(block ?? [])];
  return lines.flatMap((line) => {
    const found = addressAndLength(line.words[0] ?? '');
    return found === undefined ? [] : [{ ...found, at: line.spans[0] as Span }];
  });
}

/** An instance of IPv6 beside one of IPv4 has a number and an interval of its own. */
function* settingClaims(instance: KeepalivedEntry, weight: 'says' | 'hints'): Generator<Claim> {
  const nic = wordAfter(instance, 'interface');
  if (nic !== undefined) yield says('endpoint.interface', nic.text, nic.at);
  const router = wordAfter(instance, 'virtual_router_id');
  if (router !== undefined)
    yield { kind: 'value', key: 'haproxyKeepalived.virtualRouterId', value: numberOf(router.text) ?? router.text, weight, at: router.at };
  const interval = wordAfter(instance, 'advert_int');
  const ms = Math.round(Number(interval?.text) * 1000);
  if (interval === undefined)
    yield byDefault('haproxyKeepalived.advertisementIntervalMs', 1000, { at: instance.span, because: "keepalived's default" });
  else if (ms > 0) yield { kind: 'value', key: 'haproxyKeepalived.advertisementIntervalMs', value: ms, weight, at: interval.at };
}

function* speakerClaims(instance: KeepalivedEntry, { file, entries }: KeepalivedConfig): Generator<Claim> {
  const own = wordAfter(instance, 'unicast_src_ip') ?? wordAfter(instance, 'mcast_src_ip');
  const globals = entries.find(({ words }) => words[0] === 'global_defs');
  const router = globals === undefined ? undefined : wordAfter(globals, 'router_id');
  if (own !== undefined && addressOf(own.text) !== undefined)
    yield { kind: 'host', name: file.host, addresses: [own.text], role: 'speaker', weight: 'implies', at: own.at };
  // Meant to be the host's name, and often what a sample called it.
  if (own !== undefined && router !== undefined && addressOf(own.text) !== undefined)
    yield { kind: 'host', name: router.text.toLowerCase(), addresses: [own.text], role: 'speaker', weight: 'hints', at: router.at };
  for (const line of under(instance, 'unicast_peer').flatMap(({ block }) => block ?? [])) {
    const address = addressOf(line.words[0] ?? '');
    if (address !== undefined) yield { kind: 'host', addresses: [address], role: 'speaker', weight: 'implies', at: line.span };
  }
}

/** LVS: keepalived itself spreads connections over the API servers. */
function* lvsClaims(server: KeepalivedEntry): Generator<Claim> {
  const [, host = '', port = ''] = server.words;
  const at = server.spans[1] ?? server.span;
  const targets = under(server, 'real_server');
  if (addressOf(host) === undefined || !targets.some(({ words }) => words[2] === '6443' || words[2] === port)) return;
  yield { kind: 'endpoint', host, weight: 'says', at };
  const number = numberOf(port);
  if (number !== undefined) yield says('endpoint.port', number, server.spans[2] as Span);
  yield { kind: 'carrier', carrier: 'lvs', at: server.span };
  for (const { words, spans } of targets) {
    const address = addressOf(words[1] ?? '');
    if (address === undefined) continue;
    yield { kind: 'host', addresses: [address], role: 'control-plane', weight: 'implies', at: spans[1] as Span };
    const own = numberOf(words[2]);
    if (own !== undefined) yield implies('apiserver.port', own, spans[2] as Span);
  }
}
