/** The parts of an agent's status that only VRRP and routes have. */
import * as z from 'zod';
import type { BgpPeerView, RoutesStatus, VrrpStatus } from '../../ports/control.ts';

const name = z.string();
const text = z.string().nullable();
const number = z.number();
const counters = z.record(z.string(), number);

export const vrrpAnswer: z.ZodType<VrrpStatus> = z.object({
  version: z.union([z.literal(2), z.literal(3)]),
  virtualRouterId: number,
  state: z.enum(['initialize', 'backup', 'active']),
  sinceMs: number,
  priority: number,
  advertisementIntervalMs: number,
  activeDownIntervalMs: number.nullable(),
  active: z.object({ address: name, host: text, priority: number, heardMsAgo: number }).nullable(),
  links: z.array(z.object({ family: z.enum(['IPv4', 'IPv6']), source: name, destinations: z.array(name) })),
  warnings: z.array(z.object({ text: name, agoMs: number })),
  lastError: text,
  counters,
});

const peer: z.ZodType<BgpPeerView> = z.object({
  address: name,
  asn: number,
  state: name,
  sinceMs: number,
  localAddress: text,
  routerId: text,
  holdTimeMs: number.nullable(),
  keepaliveMs: number.nullable(),
  announced: z.array(name),
  unannounced: z.array(z.object({ prefix: name, reason: name })),
  lastError: text,
  bfd: z
    .object({
      state: name,
      sinceMs: number,
      transmitMs: number.nullable(),
      detectionTimeMs: number.nullable(),
      diagnostic: name,
      remoteDiagnostic: name,
      counters,
    })
    .nullable(),
  counters,
});

export const routesAnswer: z.ZodType<RoutesStatus> = z.object({
  by: z.enum(['bgp', 'frr', 'bird']),
  prefixes: z.array(name),
  wanted: z.enum(['announced', 'draining', 'withdrawn']),
  problem: text,
  peers: z.array(peer),
});
