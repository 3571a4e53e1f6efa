/** Messages of the generic netlink family IPVS (include/uapi/linux/ip_vs.h, net/netfilter/ipvs/ip_vs_ctl.c), for TCP services with an address and a port. */
import { familyOf, formatIp, parseIp } from '../../../base/address.ts';
import { genericAttributes, genericPayload } from '../genetlink.ts';
import * as libc from '../libc.ts';
import { attribute, attributes, cString, nested, type NetlinkMessage, NLM_F_ACK, NLM_F_DUMP, uint32, zeroTerminated } from '../netlink.ts';

export const IPVS_FAMILY = 'IPVS';
const VERSION = 1;
const COMMANDS = { newService: 1, setService: 2, delService: 3, getService: 4, newDest: 5, setDest: 6, delDest: 7, getDest: 8 } as const;
const CMD_ATTR_SERVICE = 1;
const CMD_ATTR_DEST = 2;
const SVC = { family: 1, protocol: 2, address: 3, port: 4, scheduler: 6, flags: 7, timeout: 8, netmask: 9, stats64: 12 } as const;
const DEST = { address: 1, port: 2, forwarding: 3, weight: 4, upper: 5, lower: 6, active: 7, family: 11, stats64: 12 } as const;
const STATS = { connections: 1, packetsIn: 2, packetsOut: 3, bytesIn: 4, bytesOut: 5 } as const;
const IPPROTO_TCP = 6;
/** union nf_inet_addr: an IPv4 address is in its first four bytes. */
const ADDRESS_BYTES = 16;
/** IP_VS_CONN_F_FWD_MASK, and of it IP_VS_CONN_F_MASQ. */
const FORWARDING_MASK = 7;
const MASQUERADING = 0;

export interface End {
  /** In the form of `formatIp`. */
  address: string;
  port: number;
}

/** Since the rule was made; numbers beyond 2^53 are rounded. */
export interface Counters {
  connections: number;
  packets: number;
  bytes: number;
}

export interface VirtualServer extends End {
  scheduler: string;
  counters: Counters | undefined;
}

export interface RealServer extends End {
  /** 0 keeps its connections and takes no new ones. */
  weight: number;
  /** Whether the kernel rewrites the destination, as hale wants it, rather than routes or tunnels. */
  masquerading: boolean;
  /** Established connections. */
  active: number;
  counters: Counters | undefined;
}

type Command = keyof typeof COMMANDS;

/** A request without the number of the family, which the kernel tells at run time. */
export type IpvsRequest = Omit<NetlinkMessage, 'type'>;

function request(command: Command, { flags = NLM_F_ACK, children = [] }: { flags?: number; children?: Uint8Array[] }): IpvsRequest {
  return { flags, payload: genericPayload({ command: COMMANDS[command], version: VERSION }, children) };
}

export const listServices = (): IpvsRequest => request('getService', { flags: NLM_F_DUMP });
export const listServers = (service: End): IpvsRequest => request('getDest', { flags: NLM_F_DUMP, children: [serviceKey(service)] });
/** Refused with EEXIST when there is one. */
export const addService = (service: End, scheduler: string): IpvsRequest =>
  request('newService', { children: [wholeService(service, scheduler)] });
/** Another scheduler; the real servers and connections stay. */
export const setService = (service: End, scheduler: string): IpvsRequest =>
  request('setService', { children: [wholeService(service, scheduler)] });
/** With its real servers. */
export const deleteService = (service: End): IpvsRequest => request('delService', { children: [serviceKey(service)] });
export const addServer = (service: End, server: End & { weight: number }): IpvsRequest =>
  request('newDest', { children: [serviceKey(service), wholeServer(server)] });
export const setServer = (service: End, server: End & { weight: number }): IpvsRequest =>
  request('setDest', { children: [serviceKey(service), wholeServer(server)] });
export const deleteServer = (service: End, server: End): IpvsRequest =>
  request('delDest', { children: [serviceKey(service), nested(CMD_ATTR_DEST, serverKey(server))] });

function serviceAttributes(service: End): Buffer[] {
  return [
    attribute(SVC.family, uint16(familyNumber(service.address))),
    attribute(SVC.protocol, uint16(IPPROTO_TCP)),
    attribute(SVC.address, addressBytes(service.address)),
    attribute(SVC.port, portBytes(service.port)),
  ];
}

function serviceKey(service: End): Buffer {
  return nested(CMD_ATTR_SERVICE, serviceAttributes(service));
}

/** No flags and no persistence: each connection is scheduled by itself. The netmask, of persistence, must be there and is that of one host. */
function wholeService(service: End, scheduler: string): Buffer {
  const netmask = familyOf(service.address) === 'IPv4' ? uint32(0xffff_ffff) : uint32(128);
  return nested(CMD_ATTR_SERVICE, [
    ...serviceAttributes(service),
    attribute(SVC.scheduler, zeroTerminated(scheduler)),
    attribute(SVC.flags, Buffer.concat([uint32(0), uint32(0xffff_ffff)])),
    attribute(SVC.timeout, uint32(0)),
    attribute(SVC.netmask, netmask),
  ]);
}

function serverKey(server: End): Buffer[] {
  return [
    attribute(DEST.family, uint16(familyNumber(server.address))),
    attribute(DEST.address, addressBytes(server.address)),
    attribute(DEST.port, portBytes(server.port)),
  ];
}

function wholeServer(server: End & { weight: number }): Buffer {
  return nested(CMD_ATTR_DEST, [
    ...serverKey(server),
    attribute(DEST.forwarding, uint32(MASQUERADING)),
    attribute(DEST.weight, uint32(server.weight)),
    attribute(DEST.upper, uint32(0)),
    attribute(DEST.lower, uint32(0)),
  ]);
}

/** Undefined for what is no TCP service with an address: UDP, SCTP, by firewall mark, or cut short. */
export function decodeService(message: NetlinkMessage): VirtualServer | undefined {
  const found = attributes(genericAttributes(message).get(CMD_ATTR_SERVICE) ?? Buffer.alloc(0));
  if (uint(found.get(SVC.protocol), 2) !== IPPROTO_TCP) return undefined;
  const end = decodeEnd(found.get(SVC.address), { family: found.get(SVC.family), port: found.get(SVC.port) });
  const scheduler = found.get(SVC.scheduler);
  if (end === undefined || scheduler === undefined) return undefined;
  return { ...end, scheduler: cString(scheduler), counters: decodeCounters(found.get(SVC.stats64)) };
}

/** `service` tells the family where the kernel does not, before Linux 3.18. Undefined for what is cut short. */
export function decodeServer(message: NetlinkMessage, service: End): RealServer | undefined {
  const found = attributes(genericAttributes(message).get(CMD_ATTR_DEST) ?? Buffer.alloc(0));
  const family = found.get(DEST.family) ?? uint16(familyNumber(service.address));
  const end = decodeEnd(found.get(DEST.address), { family, port: found.get(DEST.port) });
  const [forwarding, weight, active] = [DEST.forwarding, DEST.weight, DEST.active].map((type) => uint(found.get(type), 4));
  if (end === undefined || forwarding === undefined || weight === undefined || active === undefined) return undefined;
  return {
    ...end,
    weight,
    masquerading: (forwarding & FORWARDING_MASK) === MASQUERADING,
    active,
    counters: decodeCounters(found.get(DEST.stats64)),
  };
}

function decodeEnd(address: Buffer | undefined, { family, port }: { family: Buffer | undefined; port: Buffer | undefined }) {
  const familyValue = uint(family, 2);
  const bytes = familyValue === libc.AF_INET ? 4 : familyValue === libc.AF_INET6 ? ADDRESS_BYTES : undefined;
  if (bytes === undefined || address === undefined || address.length < bytes || port?.length !== 2) return undefined;
  return { address: formatIp(address.subarray(0, bytes)), port: port.readUInt16BE(0) };
}

function decodeCounters(bytes: Buffer | undefined): Counters | undefined {
  if (bytes === undefined) return undefined;
  const found = attributes(bytes);
  const [connections, packetsIn, packetsOut, bytesIn, bytesOut] = Object.values(STATS).map((type) => found.get(type));
  const sum = (...values: (Buffer | undefined)[]) =>
    values.reduce((total, value) => total + (value?.length === 8 ? Number(value.readBigUInt64LE(0)) : 0), 0);
  return { connections: sum(connections), packets: sum(packetsIn, packetsOut), bytes: sum(bytesIn, bytesOut) };
}

function uint(bytes: Buffer | undefined, length: 2 | 4): number | undefined {
  return bytes?.length === length ? bytes.readUIntLE(0, length) : undefined;
}

function uint16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return bytes;
}

function portBytes(port: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(port);
  return bytes;
}

function addressBytes(address: string): Buffer {
  const bytes = Buffer.alloc(ADDRESS_BYTES);
  bytes.set(parseIp(address) as Uint8Array);
  return bytes;
}

function familyNumber(address: string): number {
  return familyOf(address) === 'IPv4' ? libc.AF_INET : libc.AF_INET6;
}
