import type { Random } from '../base/random.ts';
import { agreement } from '../core/cluster/agreement.ts';
import { type Boot, LAST_SEQ } from '../core/lease/message.ts';
import { timingProfiles } from '../core/lease/timing.ts';
import { encodeLeaseMessage } from '../core/lease/wire.ts';
import { TAG_BYTES } from '../core/session/wire.ts';
import { SealedDatagram } from '../engine/datagram.ts';
import type { Clock } from '../ports/clock.ts';
import type { Datagram } from '../ports/datagram.ts';
import type { KeyRing } from '../ports/keys.ts';
import type { Packet, SimNetwork } from './network.ts';
import type { HostConfig } from './scenario.ts';

export interface TransportOptions {
  host: number;
  config: HostConfig;
  boot: Boot;
  network: SimNetwork<HostConfig>;
  random: Random;
  clock: Clock;
  sealed: boolean;
}

interface Opened {
  datagram: Datagram;
  /** Feeds what arrives at the host's address. */
  receive: (packet: Packet<HostConfig>) => void;
  /** Each call sends, to every other member, one of the releases that were made at the agent's start. */
  sayLastWords: readonly (() => void)[];
}

export function openDatagram(options: TransportOptions): Opened {
  return options.sealed ? openSealed(options) : openPlain(options);
}

/** Whether agents with these configurations listen to each other. */
export function agrees(a: HostConfig, b: HostConfig): boolean {
  return a === b || agreed(a) === agreed(b);
}

/** Whether the receiver can open what the sender seals. */
export function opens(receiver: HostConfig, sender: HostConfig): boolean {
  return receiver.keys.includes(sender.keys[0] as number);
}

const agreements = new WeakMap<HostConfig, string>();

function agreed(config: HostConfig): string {
  const known = agreements.get(config);
  if (known !== undefined) return known;
  const members = config.members.map((host) => ({ name: `cp${host}`, address: addressOf(host) }));
  const text = agreement({ name: 'sim', members, addresses: ['10.0.0.100'], leaseMs: timingProfiles[config.profile].leaseMs });
  agreements.set(config, text);
  return text;
}

/** Without the work of sealing: the sender's configuration travels beside the bytes and is judged as the seal would be. Repeated datagrams are not sorted out. */
function openPlain({ host, config, boot, network }: TransportOptions): Opened {
  let handler: (from: number, payload: Uint8Array) => void = () => {};
  const { members } = config;
  const send = (to: number, payload: Uint8Array) => network.send(members[to] as number, { from: host, bytes: payload, seal: config });
  const release = encodeLeaseMessage({ kind: 'release', round: { boot, seq: LAST_SEQ }, term: 0 });
  const sayOne = () => members.forEach((other, to) => other !== host && send(to, release));
  return {
    sayLastWords: [sayOne, sayOne, sayOne],
    datagram: {
      send,
      onReceive: (given) => {
        handler = given;
      },
      close: () => {},
    },
    receive: ({ from, bytes, seal }) => {
      if (seal !== config && !(agrees(config, seal) && opens(config, seal))) return;
      const member = members.indexOf(from);
      if (member >= 0) handler(member, bytes);
    },
  };
}

function openSealed({ host, config, boot, network, random, clock }: TransportOptions): Opened {
  let deliver: (bytes: Uint8Array, from: string) => void = () => {};
  const send = (to: string, bytes: Uint8Array) => network.send(hostOf(to), { from: host, bytes, seal: config });
  const datagram = new SealedDatagram({
    self: config.members.indexOf(host),
    addresses: config.members.map(addressOf),
    packets: {
      send,
      onReceive: (handler) => {
        deliver = handler;
      },
      close: () => {},
    },
    cluster: checksum(
      0,
      [...agreed(config)].map((letter) => letter.charCodeAt(0)),
    ),
    boot,
    keys: keyRing(config.keys),
    clock,
    randomNonce: () => 1 + random.below(2 ** 32),
    onRejected: () => {},
  });
  const words = config.members.flatMap((other, to) =>
    other === host ? [] : [{ to: addressOf(other), datagrams: datagram.lastWords(to) }],
  );
  const sayLastWords = (words[0]?.datagrams ?? []).map((_, round) => () => {
    for (const { to, datagrams } of words) send(to, datagrams[round] as Uint8Array);
  });
  return { datagram, receive: ({ from, bytes }) => deliver(bytes, addressOf(from)), sayLastWords };
}

const FIRST_HOST = 11;

function addressOf(host: number): string {
  return `10.0.0.${FIRST_HOST + host}`;
}

function hostOf(address: string): number {
  return Number(address.split('.')[3]) - FIRST_HOST;
}

/** Tags that only a holder of the key makes, as far as this world goes: nobody here tries to forge one. */
function keyRing(keys: readonly number[]): KeyRing {
  const tag = (key: number, bytes: Uint8Array): Uint8Array => {
    const made = new Uint8Array(TAG_BYTES);
    new DataView(made.buffer).setUint32(0, checksum(key + 1, bytes));
    return made;
  };
  const sealing = keys[0] as number;
  return {
    sealingKey: sealing,
    seal: (bytes) => tag(sealing, bytes),
    verify: (key, bytes, given) => keys.includes(key) && tag(key, bytes).every((byte, i) => byte === given[i]),
  };
}

/** FNV-1a. */
function checksum(seed: number, bytes: Iterable<number>): number {
  let hash = (0x811c9dc5 ^ seed) >>> 0;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return hash;
}
