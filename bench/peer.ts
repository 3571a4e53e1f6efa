/** What hale is compared with, on the hosts of a lab: until it serves. */
import { setTimeout as sleep } from 'node:timers/promises';
import { hostPort } from '../src/base/address.ts';
import { HaleError } from '../src/base/error.ts';
import { all } from '../src/lab/command.ts';
import { lastComplaint, type LabHost } from '../src/lab/host.ts';
import type { Lab } from '../src/lab/lab.ts';
import { awaitReadyArgv } from '../src/lab/services.ts';

const TIMEOUT_MS = 30_000;
const LOOK_AGAIN_MS = 50;

export interface Peer {
  /** As an error calls it. */
  name: string;
  /** What runs on a control-plane host, as `spawn` was told; on every one the same, where it is a list. */
  daemons: readonly string[] | ((host: LabHost) => readonly string[]);
}

/** Waits until one host has the address and a request to it is answered, and returns that host. Throws HaleError `bench_peer_not_ready`. */
export async function awaitPeer(lab: Lab, peer: Peer): Promise<LabHost> {
  const holder = await awaitHolder(lab, peer);
  await awaitAnswer(lab, peer);
  return holder;
}

async function awaitHolder(lab: Lab, peer: Peer): Promise<LabHost> {
  const address = lab.plan.endpoint.addresses[0] as string;
  const untilMs = performance.now() + TIMEOUT_MS;
  for (;;) {
    const has = await all(
      lab.controlPlane.map(async (host) => (await host.exec(['ip', '-o', 'addr', 'show', 'to', address])).stdout !== ''),
    );
    const holder = lab.controlPlane[has.indexOf(true)];
    if (holder !== undefined && has.filter(Boolean).length === 1) return holder;
    for (const host of lab.controlPlane) {
      const daemons = typeof peer.daemons === 'function' ? peer.daemons(host) : peer.daemons;
      const dead = daemons.find((daemon) => !host.running(daemon));
      if (dead !== undefined) throw notReady(peer, `${dead} ended on ${host.name}: ${lastComplaint(host, dead)}`);
    }
    if (performance.now() > untilMs) {
      throw notReady(peer, `${has.filter(Boolean).length} hosts have ${address} after ${TIMEOUT_MS / 1000} s`);
    }
    await sleep(LOOK_AGAIN_MS);
  }
}

async function awaitAnswer(lab: Lab, peer: Peer): Promise<void> {
  const { addresses, port } = lab.plan.endpoint;
  const pki = '/etc/kubernetes/pki';
  const files = { ca: `${pki}/ca.crt`, cert: `${pki}/admin.crt`, key: `${pki}/admin.key` };
  const urls = [`https://${hostPort(addresses[0] as string, port)}/readyz`];
  const result = await lab.client.exec(awaitReadyArgv({ urls, ...files, timeoutMs: TIMEOUT_MS }));
  if (result.code !== 0) throw notReady(peer, result.stderr.trim());
}

function notReady({ name }: Peer, reason: string): HaleError {
  return new HaleError({ code: 'bench_peer_not_ready', kind: 'world', message: `${name} did not become ready: ${reason}` });
}
