import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { HaleError } from '../base/error.ts';
import { boottime } from '../drivers/linux/boottime.ts';
import { removeLabCgroup } from './cgroup.ts';
import { all } from './command.ts';
import { writeConfiguration } from './configuration.ts';
import { writeCredentials } from './credentials.ts';
import type { Fault } from './faults/effects.ts';
import { endTimers, inject, listFaults, prepareFault, undoFault, type FaultRecord, type InjectedFault } from './faults/inject.ts';
import { findKubernetes } from './kubernetes/programs.ts';
import { findKwok } from './nodes/kwok.ts';
import { requireNodesWish } from './nodes/plan.ts';
import { endPowerServer } from './nodes/power-server.ts';
import { startNodes } from './nodes/start.ts';
import { createLabFolder, labFolder, labNames, readJson, removeLabFolder, writeJson } from './folder.ts';
import { openHost, type LabHost } from './host.ts';
import { endInit, readInit, startInit } from './init.ts';
import { hostPlans, planLab, type LabDatapath, type LabSettings, type LabFamilies, type LabPlan } from './plan.ts';
import { findEtcd } from './etcd-programs.ts';
import { startAgents, startApiservers, startControllers, startEtcd } from './start.ts';
import { openSwitch, type Switch } from './switch.ts';

export const DEFAULT_DATAPATH: LabDatapath = 'auto';

/** In the order in which they start; `controllers` are controller manager and scheduler, which a lab of stand-ins has not, `nodes` what stands in for kubelets. */
export const LAB_SERVICES = ['etcd', 'apiserver', 'controllers', 'agent', 'nodes'] as const;
export type LabService = (typeof LAB_SERVICES)[number];

export interface LabOptions {
  name?: string;
  hosts?: number;
  families?: LabFamilies;
  /** Timing profile of the agents: fast, default or calm. */
  profile?: string;
  /** `auto` by default. */
  datapath?: LabDatapath;
  settings?: LabSettings;
  /** Folder with the Kubernetes programs, or `stand-in`; without it PATH and the cache are searched, and the stand-in is the last resort. */
  kubernetes?: string;
  /** Folder with the program etcd, 3.4 to 3.7; without it that on PATH serves. */
  etcd?: string;
  /** Worker nodes, 0 to 1000; with any of them each control-plane host is a node too. kwok stands in for their kubelets. None by default. */
  nodes?: number;
  /** Zones over which the worker nodes are spread: a, b, c …; 3 by default. */
  zones?: number;
  /** What to start; everything by default. */
  services?: readonly LabService[];
  progress?: (line: string) => void;
  /** Abort to stop in the middle; what was made is then taken down before the promise rejects. */
  signal?: AbortSignal;
}

export interface Lab {
  plan: LabPlan;
  folder: string;
  lan: Switch;
  controlPlane: readonly LabHost[];
  client: LabHost;
  /** The host of what stands in for the worker nodes' kubelets; undefined in a lab without nodes. */
  workers: LabHost | undefined;
  /** A host by name; HaleError `lab_host_unknown` when there is none. */
  host(name: string): LabHost;
  /** Starts the members and waits until each reports itself healthy. */
  startEtcd(): Promise<void>;
  /** Starts the API servers and waits until each is ready. */
  startApiservers(): Promise<void>;
  /** Starts controller managers and schedulers, where the control plane is real. */
  startControllers(): Promise<void>;
  /** Starts the agents and waits until each has its control socket. */
  startAgents(): Promise<void>;
  /** Starts what stands in for kubelets, and waits until every node takes Pods. The address has to be held. */
  startNodes(): Promise<void>;
  /** Makes the lab ready for a fault, before it comes to rest; the return value undoes that. */
  prepare(fault: Fault): Promise<() => Promise<void>>;
  /** Applies a fault that undoes itself after `undoAfterMs`, even when this process dies first. */
  inject(fault: Fault, host: string, options: { undoAfterMs: number }): Promise<InjectedFault>;
  /** The clock of `FaultRecord.injectedAtMs`: CLOCK_BOOTTIME in milliseconds, one for all hosts. */
  now(): number;
  faults(): FaultRecord[];
  undo(record: FaultRecord): Promise<void>;
  /** Ends every process of the lab and removes its folder; false when that was done already. */
  down(): Promise<boolean>;
}

/** Makes a lab and starts its services. On failure, and when aborted, nothing of it is left. */
export async function createLab(options: LabOptions = {}): Promise<Lab> {
  const { name = 'demo', services = LAB_SERVICES, progress = () => undefined, signal } = options;
  const [kubernetes, etcd] = await Promise.all([findKubernetes(options.kubernetes), findEtcd(options.etcd)]);
  const nodes = await nodesOf(options, kubernetes);
  const plan = planLab({
    name,
    hosts: options.hosts ?? 3,
    families: options.families ?? '4',
    profile: options.profile ?? 'default',
    datapath: options.datapath ?? DEFAULT_DATAPATH,
    ...(options.settings === undefined ? {} : { settings: options.settings }),
    kubernetes,
    etcd,
    ...(nodes && { nodes }),
  });
  signal?.throwIfAborted();
  const folder = createLabFolder(name);
  try {
    writeJson(join(folder, 'lab.json'), plan);
    const lab = assemble({ plan, folder, ...(signal === undefined ? {} : { signal }) });
    progress(`creating ${plan.controlPlane.length} control-plane hosts and a client in ${folder}`);
    await createMachines(lab, signal);
    const start = {
      etcd: lab.startEtcd,
      apiserver: lab.startApiservers,
      controllers: lab.startControllers,
      agent: lab.startAgents,
      nodes: lab.startNodes,
    };
    for (const service of LAB_SERVICES) {
      if (!services.includes(service) || !hasService(plan, service)) continue;
      progress(startLine(plan, service));
      await start[service]();
      signal?.throwIfAborted();
    }
    return lab;
  } catch (error) {
    await removeLab(name);
    throw error;
  }
}

/** Throws HaleError `lab_nodes_invalid`, `lab_nodes_need_kubernetes` and `lab_kwok_not_found`. */
async function nodesOf({ nodes: count = 0, zones, kubernetes: folder }: LabOptions, kubernetes: LabPlan['kubernetes']) {
  const wish = { count, ...(zones === undefined ? {} : { zones }) };
  requireNodesWish(wish);
  if (count === 0) return undefined;
  if ('programs' in kubernetes) return { ...wish, kwok: await findKwok(folder) };
  throw new HaleError({
    code: 'lab_nodes_need_kubernetes',
    kind: 'usage',
    message: `a lab whose API servers are stand-ins can have no nodes: ${kubernetes.missing}`,
    remedy: 'get the Kubernetes programs (npm run kubernetes:get -- kwok), or leave --nodes out',
  });
}

function hasService(plan: LabPlan, service: LabService): boolean {
  if (service === 'controllers') return 'programs' in plan.kubernetes;
  return service !== 'nodes' || plan.nodes !== undefined;
}

async function createMachines(lab: Lab, signal: AbortSignal | undefined): Promise<void> {
  const folderOf = (host: string): string => hostFolder(lab.folder, host);
  writeConfiguration(lab.plan, folderOf);
  await all([
    writeCredentials(lab.plan, folderOf),
    startInit({ name: 'switch', folder: switchFolder(lab.folder), kind: 'switch' }).then(async () => {
      signal?.throwIfAborted();
      await all(hostPlans(lab.plan).map(({ name }) => lab.host(name).boot()));
    }),
  ]);
  signal?.throwIfAborted();
}

function startLine(plan: LabPlan, service: LabService): string {
  const count = plan.controlPlane.length;
  if (service === 'etcd') return `starting etcd ${plan.etcd.version}: ${count} members, mutual TLS`;
  if (service === 'controllers') return `starting controller manager and scheduler on ${count} hosts`;
  if (service === 'agent') return `starting hale agent on ${count} hosts, profile ${plan.profile}, datapath ${plan.datapath}`;
  if (service === 'nodes') return `starting ${describeNodes(plan)}`;
  const why = 'missing' in plan.kubernetes ? ` (${plan.kubernetes.missing})` : '';
  return `starting ${count} API servers: ${describeApiserver(plan)}${why}`;
}

/** `kube-apiserver v1.34.1` or `stand-in`, as reports say it. */
export function describeApiserver(plan: LabPlan): string {
  return 'programs' in plan.kubernetes ? `kube-apiserver ${plan.kubernetes.version}` : 'stand-in';
}

/** `20 worker nodes in zones a, b, c: kwok v0.8.0 stands in for their kubelets`, as reports say it. */
export function describeNodes({ nodes }: LabPlan): string {
  if (nodes === undefined) return 'no nodes';
  const { count, zones, kwok } = nodes;
  return `${count} worker nodes in ${zones.length === 1 ? 'zone' : 'zones'} ${zones.join(', ')}: kwok ${kwok.version} stands in for kubelets`;
}

/** A lab that exists. */
export function openLab(name = 'demo'): Lab {
  const folder = labFolder(name);
  const plan = readJson<LabPlan>(join(folder, 'lab.json'));
  if (plan !== undefined) return assemble({ plan, folder });
  const others = labNames();
  throw new HaleError({
    code: 'lab_not_found',
    kind: 'usage',
    message: `there is no lab ${JSON.stringify(name)} (${folder})`,
    remedy: others.length === 0 ? 'make one with `hale lab up`' : `labs that exist: ${others.join(', ')}`,
  });
}

function assemble(options: { plan: LabPlan; folder: string; signal?: AbortSignal }): Lab {
  const { plan, folder, signal } = options;
  const lan = openSwitch(switchFolder(folder));
  const open = (name: string): LabHost => {
    const hostPlan = hostPlans(plan).find((candidate) => candidate.name === name);
    if (hostPlan !== undefined) return openHost(hostPlan, { folder: hostFolder(folder, name), lan });
    throw new HaleError({
      code: 'lab_host_unknown',
      kind: 'usage',
      message: `lab ${plan.name} has no host ${JSON.stringify(name)}`,
      remedy: `choose one of ${hostPlans(plan)
        .map((known) => known.name)
        .join(', ')}`,
    });
  };
  const lab: Lab = {
    plan,
    folder,
    lan,
    controlPlane: plan.controlPlane.map((host) => open(host.name)),
    client: open(plan.client.name),
    workers: plan.nodes === undefined ? undefined : open(plan.nodes.host.name),
    host: open,
    startEtcd: () => startEtcd(lab, signal),
    startApiservers: () => startApiservers(lab, signal),
    startControllers: () => startControllers(lab, signal),
    startAgents: () => startAgents(lab, signal),
    startNodes: () => startNodes(lab, signal),
    prepare: (fault) => prepareFault(lab, fault),
    inject: (fault, host, injectOptions) => inject(lab, { fault, host, ...injectOptions }),
    now: boottime.now,
    faults: () => listFaults(folder),
    undo: (record) => undoFault(lab, record),
    down: () => removeLab(plan.name),
  };
  return lab;
}

export interface LabSummary {
  name: string;
  folder: string;
  /** Whether its switch runs; false after a restart of the machine and for a lab that was never finished. */
  running: boolean;
}

export function listLabs(): LabSummary[] {
  return labNames().map((name) => {
    const folder = labFolder(name);
    return { name, folder, running: readInit({ folder: switchFolder(folder) }) !== undefined };
  });
}

/** Takes a lab down, whole, half-made or half-dead. False when there is none. */
export async function removeLab(name: string): Promise<boolean> {
  const folder = labFolder(name);
  if (!existsSync(folder)) return false;
  // These first: what they may do now would boot a host again.
  await endTimers(folder);
  await endPowerServer(folder);
  const hosts = join(folder, 'hosts');
  const machines = existsSync(hosts) ? readdirSync(hosts).map((host) => hostFolder(folder, host)) : [];
  await all([...machines, switchFolder(folder)].map((machine) => endInit({ folder: machine })));
  await removeLabCgroup(folder);
  removeLabFolder(folder);
  return true;
}

function hostFolder(lab: string, host: string): string {
  return join(lab, 'hosts', host);
}

function switchFolder(lab: string): string {
  return join(lab, 'switch');
}
