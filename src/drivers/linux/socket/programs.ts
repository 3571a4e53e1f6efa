/**
 * The programs behind steering.ts.
 *
 * - connect4, connect6: a TCP connect() to a shared address and its port, from the agent's network namespace, is given the address of one
 *   of the chosen backends, and the socket is noted. What cannot be noted is left as it is, so everything redirected is known.
 * - getpeername4, getpeername6: a noted socket that is connected to the backend noted for it says the address that was asked for.
 * - sock_release: a closed socket is noted no more.
 *
 * The addresses are constants of the programs. What changes while they run is one word of 8 bytes, the choice: its lowest byte says how
 * many backends there are to choose from, the following bytes which. It is stored and loaded at once, so that a program sees either the
 * old choice or the new one.
 */
import { assert } from '../../../base/assert.ts';
import { ipBytes } from '../../../base/address.ts';
import {
  add,
  addRegister,
  and,
  assemble,
  call,
  copy,
  exit,
  jump,
  jumpIfDifferent,
  jumpIfEqual,
  jumpIfNegative,
  jumpIfNotEqual,
  jumpIfZero,
  label,
  type Line,
  load,
  loadFromStack,
  mapReference,
  mapValueAddress,
  modulo,
  type Register,
  set,
  set64,
  shiftLeft,
  shiftRightBy,
  stackAddress,
  store,
  storeToStack,
} from '../bpf/assembler.ts';
import type { CgroupHook } from '../bpf/cgroup.ts';
import { SOCK, SOCK_ADDR } from '../bpf/contexts.ts';

const MAP_LOOKUP_ELEM = 1;
const MAP_UPDATE_ELEM = 2;
const MAP_DELETE_ELEM = 3;
const GET_PRANDOM_U32 = 7;
/** A number that no other socket has as long as the machine runs; the one that sock_diag(7) tells, too. */
const GET_SOCKET_COOKIE = 46;
/** Linux 5.7. */
const GET_NETNS_COOKIE = 122;
const BPF_ANY = 0;
const IPPROTO_TCP = 6;
/** Goes on; for connect, 0 would refuse it. */
const PROCEED = 1;

/** As many backends as the choice has bytes for, beside the count: a cluster has at most 7 hosts. */
const BACKENDS_MAX = 7;
const SLOTS = 8;
const ADDRESS_WORDS = 4;

const CONTEXT: Register = 6;
const CHOICE: Register = 7;
const COUNT: Register = 8;
const FAMILY_SLOTS: Register = 9;
const COOKIE_AT = -8;
const ADDRESS_AT = -24;

export interface SocketProgramOptions {
  /** Shared addresses, at most one of each family, and their port. */
  addresses: readonly string[];
  port: number;
  /** Each with an address of every family that a shared address has. */
  backends: readonly { addresses: readonly string[]; port: number }[];
  /** Cookie of the network namespace whose sockets are steered. */
  netns: bigint;
  /** A map of one 8-byte value. */
  choiceFd: number;
  /** A hash map from a socket's cookie, 8 bytes, to the backend it was given, 16 bytes, IPv4 mapped into IPv6. */
  steeredFd: number;
}

/** Bytes in network order, as four words of a little-endian host; IPv4 mapped into IPv6 (RFC 4291 section 2.5.5.2). */
type Words = readonly number[];

export function socketProgram(hook: CgroupHook, options: SocketProgramOptions): Buffer {
  switch (hook) {
    case 'connect4':
    case 'connect6':
      return assemble(connectProgram(familyOfHook(hook), options));
    case 'getpeername4':
    case 'getpeername6':
      return assemble(peerProgram(familyOfHook(hook), options));
    case 'sock_release':
      return assemble(releaseProgram(options));
  }
}

/** What an IPv4 socket's context holds is the last word of the mapped address; an IPv6 one has all four. */
interface HookFamily {
  words: readonly number[];
  at(word: number): number;
  accepts(address: string): boolean;
}

function familyOfHook(hook: CgroupHook): HookFamily {
  if (hook.endsWith('4')) return { words: [3], at: () => SOCK_ADDR.user_ip4, accepts: (address) => !isV6(address) };
  // Programs connect IPv6 sockets to IPv4 addresses, too.
  return { words: [0, 1, 2, 3], at: (word) => SOCK_ADDR.user_ip6 + 4 * word, accepts: () => true };
}

function connectProgram(family: HookFamily, options: SocketProgramOptions): Line[] {
  const { port, netns, choiceFd, backends } = options;
  assert(backends.length <= BACKENDS_MAX, `${backends.length} backends are at most ${BACKENDS_MAX}`);
  const shared = options.addresses.filter(family.accepts);
  // The verifier refuses what nothing jumps to.
  if (shared.length === 0) return [...proceed];
  return [
    copy(CONTEXT, 1),
    load(1, 4, { base: CONTEXT, offset: SOCK_ADDR.protocol }),
    jumpIfNotEqual(1, IPPROTO_TCP, 'proceed'),
    load(1, 4, { base: CONTEXT, offset: SOCK_ADDR.user_port }),
    jumpIfNotEqual(1, networkOrder16(port), 'proceed'),
    ...shared.flatMap((address, i) => [
      ...jumpUnless(family, wordsOf(address), `not shared ${i}`),
      set(FAMILY_SLOTS, i * SLOTS),
      jump('steer'),
      label(`not shared ${i}`),
    ]),
    jump('proceed'),
    label('steer'),
    copy(1, CONTEXT),
    call(GET_NETNS_COOKIE),
    set64(1, netns),
    jumpIfDifferent(0, 1, 'proceed'),
    ...choose(choiceFd),
    ...shared.flatMap((address, i) =>
      backends.flatMap((backend, slot) =>
        giveIfChosen({ slot: i * SLOTS + slot, words: wordsOf(sameFamily(backend, address)), ...backend }),
      ),
    ),
    jump('proceed'),
    label('give'),
    ...note(options.steeredFd),
    ...family.words.flatMap((word) => [
      loadFromStack(1, 4, ADDRESS_AT + 4 * word),
      store({ base: CONTEXT, offset: family.at(word) }, 4, 1),
    ]),
    store({ base: CONTEXT, offset: SOCK_ADDR.user_port }, 4, COUNT),
    ...proceed,
  ];
}

/** Leaves the number of one of the chosen backends in CHOICE, counted on from the family's first; proceeds when there is none. */
function choose(choiceFd: number): Line[] {
  return [
    mapValueAddress(1, choiceFd),
    load(CHOICE, 8, { base: 1, offset: 0 }),
    copy(COUNT, CHOICE),
    and(COUNT, 0xff),
    jumpIfEqual(COUNT, 0, 'proceed'),
    call(GET_PRANDOM_U32),
    modulo(0, COUNT),
    shiftLeft(0, 3),
    add(0, 8),
    shiftRightBy(CHOICE, 0),
    and(CHOICE, 0xff),
    addRegister(CHOICE, FAMILY_SLOTS),
  ];
}

/** Puts the backend's address onto the stack, and its port, for which COUNT is free now, into a register. */
function giveIfChosen({ slot, words, port }: { slot: number; words: Words; port: number }): Line[] {
  return [
    jumpIfNotEqual(CHOICE, slot, `not slot ${slot}`),
    ...words.flatMap((word, i) => [set(1, word), storeToStack(ADDRESS_AT + 4 * i, 4, 1)]),
    set(COUNT, networkOrder16(port)),
    jump('give'),
    label(`not slot ${slot}`),
  ];
}

function note(steeredFd: number): Line[] {
  return [
    ...cookie(CONTEXT),
    mapReference(1, steeredFd),
    stackAddress(2, COOKIE_AT),
    stackAddress(3, ADDRESS_AT),
    set(4, BPF_ANY),
    call(MAP_UPDATE_ELEM),
    jumpIfNegative(0, 'proceed'),
  ];
}

function peerProgram(family: HookFamily, { addresses, port, steeredFd }: SocketProgramOptions): Line[] {
  return [
    copy(CONTEXT, 1),
    ...cookie(CONTEXT),
    mapReference(1, steeredFd),
    stackAddress(2, COOKIE_AT),
    call(MAP_LOOKUP_ELEM),
    jumpIfZero(0, 'proceed'),
    // A socket that was disconnected since, and connected to something else, is no more redirected.
    ...family.words.flatMap((word) => [
      load(1, 4, { base: 0, offset: 4 * word }),
      load(2, 4, { base: CONTEXT, offset: family.at(word) }),
      jumpIfDifferent(1, 2, 'proceed'),
    ]),
    load(2, 4, { base: 0, offset: 0 }),
    load(3, 4, { base: 0, offset: 8 }),
    // An IPv4 backend was given for the IPv4 address, any other for the other one.
    ...addresses
      .filter(family.accepts)
      .toSorted((a, b) => Number(isV6(a)) - Number(isV6(b)))
      .flatMap((address, i) => {
        const words = wordsOf(address);
        const other = `asked another than ${i}`;
        return [
          ...(isMapped(words) ? [jumpIfNotEqual(2, 0, other), jumpIfNotEqual(3, MAPPED, other)] : []),
          ...family.words.flatMap((word) => [set(1, words[word] as number), store({ base: CONTEXT, offset: family.at(word) }, 4, 1)]),
          set(1, networkOrder16(port)),
          store({ base: CONTEXT, offset: SOCK_ADDR.user_port }, 4, 1),
          jump('proceed'),
          label(other),
        ];
      }),
    ...proceed,
  ];
}

function releaseProgram({ steeredFd }: SocketProgramOptions): Line[] {
  return [
    copy(CONTEXT, 1),
    load(1, 4, { base: CONTEXT, offset: SOCK.protocol }),
    jumpIfNotEqual(1, IPPROTO_TCP, 'proceed'),
    ...cookie(CONTEXT),
    mapReference(1, steeredFd),
    stackAddress(2, COOKIE_AT),
    call(MAP_DELETE_ELEM),
    ...proceed,
  ];
}

const cookie = (context: Register): Line[] => [copy(1, context), call(GET_SOCKET_COOKIE), storeToStack(COOKIE_AT, 8, 0)];

const proceed: readonly Line[] = [label('proceed'), set(0, PROCEED), exit];

function jumpUnless(family: HookFamily, words: Words, target: string): Line[] {
  return family.words.flatMap((word) => [
    load(1, 4, { base: CONTEXT, offset: family.at(word) }),
    jumpIfNotEqual(1, words[word] as number, target),
  ]);
}

const isV6 = (address: string): boolean => address.includes(':');
const MAPPED = 0xffff_0000 | 0;
const isMapped = (words: Words): boolean => words[0] === 0 && words[1] === 0 && words[2] === MAPPED;

function wordsOf(address: string): Words {
  const bytes = ipBytes(address);
  const last = Array.from({ length: bytes.length / 4 }, (_, i) => Buffer.from(bytes).readInt32LE(i * 4));
  return last.length === ADDRESS_WORDS ? last : [0, 0, MAPPED, ...last];
}

function sameFamily({ addresses }: { addresses: readonly string[] }, shared: string): string {
  const found = addresses.find((address) => isV6(address) === isV6(shared));
  assert(found !== undefined, `a backend with addresses ${addresses.join(', ')} has one of the family of ${shared}`);
  return found;
}

/** A port as the lower half of a word of a little-endian host. */
function networkOrder16(value: number): number {
  return ((value & 0xff) << 8) | (value >> 8);
}
