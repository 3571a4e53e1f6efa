import { timingProfiles } from '../core/lease/timing.ts';
import { majority } from '../core/lease/state.ts';
import type { SimHost } from './host.ts';
import type { SimNetwork } from './network.ts';
import type { HostConfig } from './scenario.ts';
import { agrees, opens } from './transport.ts';

/** A majority that nothing keeps from electing. */
export interface Healthy {
  hosts: ReadonlySet<number>;
  config: HostConfig;
  /** Largest delay between two of them. */
  delayMaxMs: number;
}

type Network = SimNetwork<HostConfig>;

/**
 * The members of a healthy majority, if there is one: running, fit, with working kernels, and between any two of them links that lose
 * nothing and answer within half of a round's time. Every other host is out of touch with all of them, of another configuration, or
 * down, so that it cannot disturb.
 */
export function findHealthy(hosts: readonly SimHost[], network: Network): Healthy | undefined {
  const well = hosts.filter(isWell);
  for (const { running } of well) {
    const peers = well.filter((host) => agrees(host.running, running));
    if (peers.length < majority(running.members.length)) continue;
    const indexes = clique(peers, network);
    if (indexes.length < majority(running.members.length)) continue;
    const others = hosts.filter(({ index, engine, answers }) => !indexes.includes(index) && (engine !== undefined || answers));
    const heard = others.filter((other) => agrees(other.running, running));
    if (heard.some((other) => indexes.some((index) => touches(network, other.index, index)))) return undefined;
    if (others.some((other) => other.answers && !other.isLive)) return undefined;
    return { hosts: new Set(indexes), config: running, delayMaxMs: largestDelay(indexes, network) };
  }
  return undefined;
}

function isWell(host: SimHost): boolean {
  const state = host.isLive ? host.engine?.state : undefined;
  return state !== undefined && state.fitness === 'good' && !state.draining && host.kernel.faults.size === 0;
}

/** The largest group in which every two hear each other well; the first in order of hosts. */
function clique(hosts: readonly SimHost[], network: Network): number[] {
  let best: number[] = [];
  for (let mask = 1; mask < 1 << hosts.length; mask++) {
    const group = hosts.filter((_, i) => mask & (1 << i));
    if (group.length > best.length && group.every((a) => group.every((b) => a === b || hears(network, a, b)))) {
      best = group.map(({ index }) => index);
    }
  }
  return best;
}

function hears(network: Network, from: SimHost, to: SimHost): boolean {
  const quality = network.qualityOf(from.index, to.index);
  const { roundTimeoutMs } = timingProfiles[from.running.profile];
  return (
    quality !== undefined && quality.lossProbability === 0 && quality.delayMaxMs <= roundTimeoutMs / 4 && opens(to.running, from.running)
  );
}

function touches(network: Network, a: number, b: number): boolean {
  return network.qualityOf(a, b) !== undefined || network.qualityOf(b, a) !== undefined;
}

function largestDelay(indexes: readonly number[], network: Network): number {
  return Math.max(0, ...indexes.flatMap((a) => indexes.map((b) => (a === b ? 0 : (network.qualityOf(a, b)?.delayMaxMs ?? 0)))));
}
