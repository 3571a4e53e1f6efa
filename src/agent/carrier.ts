/** Opens the datapath that was chosen. */
import type { Flow } from '../core/balancer/flow.ts';
import type { DatapathPlan } from '../core/balancer/plan.ts';
import type { ProxySettings } from '../core/balancer/proxy.ts';
import { ProxyDatapath } from '../drivers/proxy/proxy.ts';
import { SteeringEngine } from '../engine/steering.ts';
import type { Clock } from '../ports/clock.ts';
import type { Datapath } from '../ports/datapath.ts';
import type { FlowSource } from '../ports/flows.ts';
import type { Log } from '../ports/log.ts';
import type { Host } from './world.ts';

export interface CarrierOptions {
  plan: DatapathPlan;
  proxy: ProxySettings;
  clock: Clock;
  log: Log;
  host: Host;
  onCrash: (error: Error) => void;
  flowsOf: (member: number) => readonly Flow[];
  /** The steering of this host has changed. */
  tell: () => void;
}

export interface Carrier {
  datapath: Datapath;
  /** With dsr. */
  steering?: SteeringEngine;
  /** Where the connections are when they do not end on sockets of this host. */
  flows?: FlowSource;
}

export async function openCarrier(options: CarrierOptions): Promise<Carrier> {
  const { plan, clock, log, host, onCrash } = options;
  if (host.steering !== undefined) {
    const { flowsOf, tell } = options;
    const onFailure = (reason: string) => log.error({ reason }, 'the kernel refused a change of the steering');
    const steering = new SteeringEngine({ backends: plan.backends.length, clock, table: host.steering, flowsOf, tell, onFailure });
    return { datapath: steering, steering };
  }
  return { datapath: await ProxyDatapath.open(plan, onCrash, { ...options.proxy, log }) };
}
