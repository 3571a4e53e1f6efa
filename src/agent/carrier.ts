/** Opens the datapath that was chosen. */
import type { Flow } from '../core/balancer/flow.ts';
import type { DatapathPlan } from '../core/balancer/plan.ts';
import type { Cluster } from '../core/cluster/schema.ts';
import { IpvsDatapath } from '../drivers/linux/ipvs/datapath.ts';
import { NatDatapath } from '../drivers/linux/nat/nat.ts';
import { ProxyDatapath } from '../drivers/proxy/proxy.ts';
import { SteeringEngine } from '../engine/steering.ts';
import type { Clock } from '../ports/clock.ts';
import type { Datapath } from '../ports/datapath.ts';
import type { FlowSource } from '../ports/flows.ts';
import type { Log } from '../ports/log.ts';
import type { SteeringTable } from '../ports/steering.ts';
import type { Host } from './world.ts';

export interface CarrierOptions {
  cluster: Cluster;
  plan: DatapathPlan;
  clock: Clock;
  log: Log;
  host: Host;
  onCrash: (error: Error) => void;
  flowsOf: (member: number) => readonly Flow[];
  /** The steering of this host has changed. */
  tell: () => void;
  /** Nothing is left of the connections of these clients. */
  tellClients: (flows: readonly Flow[]) => void;
}

export interface Carrier {
  datapath: Datapath;
  /** With dsr. */
  steering?: SteeringEngine;
  /** Where the connections are when they do not end on sockets of this host. */
  flows?: FlowSource;
  /** What the datapath is to be given for a plan; without it, the plan itself. */
  planFor?: (plan: DatapathPlan) => DatapathPlan;
}

/** Throws a HaleError when it cannot be had. */
export async function openCarrier(options: CarrierOptions): Promise<Carrier> {
  const { cluster, plan, clock, log, host, onCrash } = options;
  switch (host.choice.datapath) {
    case 'dsr':
      return steering(options);
    case 'nat': {
      const { masquerade } = cluster.nat;
      const planFor = byAddress(cluster);
      const nat = NatDatapath.open(planFor(plan), { interfaceNames: host.interfaces, masquerade, log, onForgotten: options.tellClients });
      return { datapath: nat, flows: nat, planFor };
    }
    case 'ipvs': {
      const planFor = byAddress(cluster);
      const ipvs = IpvsDatapath.open(planFor(plan), { clock, log, onCut: ({ clients }) => options.tellClients(clients) });
      return { datapath: ipvs, flows: ipvs.flows, planFor };
    }
    case 'proxy':
      return { datapath: await ProxyDatapath.open(plan, onCrash, { ...cluster.proxy, log }) };
  }
}

/** A kernel translates within one family, so a host of two addresses is two backends of one name. */
function byAddress({ controlPlane: { hosts } }: Cluster): (plan: DatapathPlan) => DatapathPlan {
  return (plan) => {
    const own = plan.backends[plan.self]?.name;
    const backends = plan.backends.flatMap((backend) => {
      const addresses = hosts.find(({ name }) => name === backend.name)?.addresses ?? [];
      return addresses.map(({ address }) => ({ ...backend, address }));
    });
    return { ...plan, backends, self: backends.findIndex(({ name }) => name === own) };
  };
}

function steering({ plan, clock, log, host, flowsOf, tell }: CarrierOptions): Carrier {
  const onFailure = (reason: string) => log.error({ reason }, 'the kernel refused a change of the steering');
  const table = host.steering as SteeringTable;
  const engine = new SteeringEngine({ backends: plan.backends.length, clock, table, flowsOf, tell, onFailure });
  return { datapath: engine, steering: engine };
}
