/** Programs and maps that are in the kernel already, found by their numbers, and what is in a map. */
import koffi from 'koffi';
import * as libc from '../libc.ts';
import { bpf } from './calls.ts';

const BPF_MAP_LOOKUP_ELEM = 1;
const BPF_PROG_GET_FD_BY_ID = 13;
const BPF_MAP_GET_FD_BY_ID = 14;
const BPF_OBJ_GET_INFO_BY_FD = 15;
const BPF_MAP_LOOKUP_BATCH = 24;
/** The kernel fills in as much as both sides know. */
const INFO_BYTES = 128;
const MAP_IDS_MAX = 16;
const BATCH = 4096;

export interface ProgramInfo {
  id: number;
  name: string;
  mapIds: number[];
}

/** Undefined when it has gone meanwhile. */
export function openProgram(id: number): number | undefined {
  return byId(BPF_PROG_GET_FD_BY_ID, id);
}

export function openMap(id: number): number | undefined {
  return byId(BPF_MAP_GET_FD_BY_ID, id);
}

function byId(command: number, id: number): number | undefined {
  const attr = Buffer.alloc(16);
  attr.writeUInt32LE(id, 0);
  const fd = bpf(command, attr);
  return fd < 0 ? undefined : fd;
}

/** struct bpf_prog_info. */
export function programInfo(fd: number): ProgramInfo | undefined {
  const mapIds = Buffer.alloc(MAP_IDS_MAX * 4);
  const info = Buffer.alloc(INFO_BYTES);
  info.writeUInt32LE(MAP_IDS_MAX, 52);
  info.writeBigUInt64LE(koffi.address(mapIds), 56);
  if (!readInfo(fd, info)) return undefined;
  const maps = Math.min(info.readUInt32LE(52), MAP_IDS_MAX);
  return { id: info.readUInt32LE(4), name: nameAt(info, 64), mapIds: Array.from({ length: maps }, (_, i) => mapIds.readUInt32LE(i * 4)) };
}

export interface MapInfo {
  name: string;
  keyBytes: number;
  valueBytes: number;
}

/** struct bpf_map_info. */
export function mapInfo(fd: number): MapInfo | undefined {
  const info = Buffer.alloc(INFO_BYTES);
  if (!readInfo(fd, info)) return undefined;
  return { name: nameAt(info, 24), keyBytes: info.readUInt32LE(8), valueBytes: info.readUInt32LE(12) };
}

function readInfo(fd: number, info: Buffer): boolean {
  const attr = Buffer.alloc(16);
  attr.writeUInt32LE(fd, 0);
  attr.writeUInt32LE(info.length, 4);
  attr.writeBigUInt64LE(koffi.address(info), 8);
  return bpf(BPF_OBJ_GET_INFO_BY_FD, attr) === 0;
}

function nameAt(info: Buffer, offset: number): string {
  const bytes = info.subarray(offset, offset + 16);
  return bytes.subarray(0, bytes.indexOf(0)).toString('latin1');
}

/** The 8 bytes of a map made by `createCell`, without mapping it. */
export function readCell(fd: number): Buffer | undefined {
  const [key, value] = [Buffer.alloc(4), Buffer.alloc(8)];
  const attr = Buffer.alloc(32);
  attr.writeUInt32LE(fd, 0);
  attr.writeBigUInt64LE(koffi.address(key), 8);
  attr.writeBigUInt64LE(koffi.address(value), 16);
  return bpf(BPF_MAP_LOOKUP_ELEM, attr) === 0 ? value : undefined;
}

/** All entries of a hash map, some thousand with each system call (Linux 5.6). */
export function readHash(fd: number, { keyBytes, valueBytes }: { keyBytes: number; valueBytes: number }): { key: Buffer; value: Buffer }[] {
  const [keys, values, place] = [Buffer.alloc(BATCH * keyBytes), Buffer.alloc(BATCH * valueBytes), Buffer.alloc(8)];
  const attr = Buffer.alloc(56);
  attr.writeBigUInt64LE(koffi.address(place), 8);
  attr.writeBigUInt64LE(koffi.address(keys), 16);
  attr.writeBigUInt64LE(koffi.address(values), 24);
  attr.writeUInt32LE(fd, 36);
  const found: { key: Buffer; value: Buffer }[] = [];
  for (let more = true; more; attr.writeBigUInt64LE(koffi.address(place), 0)) {
    attr.writeUInt32LE(BATCH, 32);
    const result = bpf(BPF_MAP_LOOKUP_BATCH, attr);
    // At the end the call fails, with what it has found.
    more = result === 0;
    if (!more && libc.lastErrno() !== libc.ENOENT) break;
    for (let i = 0; i < attr.readUInt32LE(32); i++) {
      const slice = (bytes: Buffer, size: number) => Buffer.from(bytes.subarray(i * size, (i + 1) * size));
      found.push({ key: slice(keys, keyBytes), value: slice(values, valueBytes) });
    }
  }
  return found;
}
