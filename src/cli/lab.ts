import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Command } from 'commander';
import { FAULTS, type Fault } from '../lab/faults/effects.ts';
import { ALL_NODES } from '../lab/faults/node.ts';
import { createLab, describeApiserver, describeNodes, type Lab, listLabs, openLab, removeLab } from '../lab/lab.ts';
import type { NodesPlan } from '../lab/nodes/plan.ts';
import { KUBELET_DAEMONS, nodesInService } from '../lab/nodes/start.ts';
import type { LabDatapath, LabFamilies } from '../lab/plan.ts';
import { ensurePrivileges } from '../lab/privileges.ts';
import { isRouted, LAB_BFD_MS, startLabRouter } from '../lab/router.ts';
import { agentStatus, awaitSteady } from '../lab/drill/agents.ts';
import { interruptible } from './interrupt.ts';
import {
  advertiseOption,
  datapathOption,
  DEFAULT_LAB,
  electionOption,
  etcdOption,
  familiesOption,
  hostsOption,
  kubernetesOption,
  labSettings,
  nameOption,
  nodesOption,
  profileOption,
  requireLab,
  seconds,
  zonesOption,
} from './lab-options.ts';
import { nodePowerCommand } from './lab-node-power.ts';
import { table } from './table.ts';

const STEADY_TIMEOUT_MS = 30_000;
const DAEMONS = ['etcd', 'apiserver', 'controller-manager', 'scheduler', 'agent', ...KUBELET_DAEMONS];

/** `hale lab`: several real hosts on this machine, as network namespaces, with real etcd, API servers and agents. */
export function labCommand(): Command {
  const lab = new Command('lab').description('run a cluster of several hosts on this machine, and break it').enablePositionalOptions();
  return lab
    .addCommand(up())
    .addCommand(down())
    .addCommand(status())
    .addCommand(exec())
    .addCommand(fault())
    .addCommand(nodePowerCommand(), { hidden: true });
}

interface UpOptions {
  name: string;
  hosts: string;
  ip: LabFamilies;
  profile: string;
  datapath: LabDatapath;
  kubernetes?: string;
  etcd?: string;
  nodes?: number;
  zones?: number;
  election?: string;
  advertise?: string;
  json?: true;
}

function up(): Command {
  return new Command('up')
    .description('make a lab: control-plane hosts with etcd, API server and agent, and a client')
    .addOption(nameOption())
    .addOption(hostsOption())
    .addOption(familiesOption())
    .addOption(profileOption())
    .addOption(datapathOption())
    .addOption(electionOption())
    .addOption(advertiseOption())
    .addOption(kubernetesOption())
    .addOption(etcdOption())
    .addOption(nodesOption())
    .addOption(zonesOption())
    .option('--json', 'print one JSON document')
    .action(async (options: UpOptions) => {
      await requireLab();
      const lab = await interruptible((signal) => bringUp(options, signal));
      if (options.json) process.stdout.write(`${JSON.stringify(await describe(lab))}\n`);
      else process.stdout.write(`${await render(lab)}\nLook inside: ./hale lab exec --name ${lab.plan.name} cp1 hale status\n`);
    });
}

/** Makes a lab and waits until it is at rest; nothing of it is left when that fails. */
export async function bringUp(options: Omit<UpOptions, 'json'>, signal: AbortSignal): Promise<Lab> {
  const { name, hosts, ip: families, profile, datapath, kubernetes, etcd, nodes = 0, zones } = options;
  const settings = labSettings(options);
  const progress = (line: string) => process.stderr.write(`${line}\n`);
  const lab = await createLab({
    name,
    hosts: Number(hosts),
    families,
    profile,
    datapath,
    nodes,
    progress,
    signal,
    ...(kubernetes === undefined ? {} : { kubernetes }),
    ...(etcd === undefined ? {} : { etcd }),
    ...(zones === undefined ? {} : { zones }),
    ...(settings === undefined ? {} : { settings }),
  });
  try {
    if (isRouted(lab.plan)) await startLabRouter(lab, { bfdMs: LAB_BFD_MS });
    const holder = await awaitSteady(lab, { timeoutMs: STEADY_TIMEOUT_MS });
    const held = isRouted(lab.plan) ? 'every host announces' : `${holder.name} holds`;
    progress(`${held} ${lab.plan.endpoint.addresses.join(' and ')}, every API server is ready`);
    return lab;
  } catch (error) {
    await lab.down();
    throw error;
  }
}

function down(): Command {
  return new Command('down')
    .description('end every process of a lab and remove its folder')
    .addOption(nameOption())
    .option('--all', 'every lab of this user')
    .action(async (options: { name: string; all?: true }) => {
      ensurePrivileges({ lab: options.name });
      const names = options.all ? listLabs().map((lab) => lab.name) : [options.name];
      for (const name of names) process.stdout.write((await removeLab(name)) ? `lab ${name} is gone\n` : `there is no lab ${name}\n`);
    });
}

function status(): Command {
  return new Command('status')
    .description('list the labs, or show the hosts of one')
    .option('--name <name>', 'name of the lab')
    .option('--json', 'print one JSON document')
    .action(async (options: { name?: string; json?: true }) => {
      ensurePrivileges({ lab: options.name ?? DEFAULT_LAB });
      if (options.name === undefined) {
        const labs = listLabs();
        const rows = labs.map((lab) => [lab.name, lab.running ? 'running' : 'stopped', lab.folder]);
        process.stdout.write(options.json ? `${JSON.stringify(labs)}\n` : table(['LAB', 'STATE', 'FOLDER'], rows));
        return;
      }
      const lab = openLab(options.name);
      process.stdout.write(options.json ? `${JSON.stringify(await describe(lab))}\n` : await render(lab));
    });
}

export async function describe(lab: Lab) {
  const { plan } = lab;
  const hosts = await Promise.all(
    lab.controlPlane.map(async (host) => ({
      name: host.name,
      addresses: host.addresses,
      on: host.isOn(),
      services: DAEMONS.filter((service) => host.isOn() && host.running(service)),
      role: (await agentStatus(host))?.role ?? null,
    })),
  );
  return {
    name: plan.name,
    folder: lab.folder,
    apiserver: describeApiserver(plan),
    etcd: plan.etcd.version,
    profile: plan.profile,
    datapath: plan.datapath,
    endpoint: plan.endpoint,
    hosts,
    nodes: plan.nodes === undefined ? null : nodeFacts(lab, plan.nodes),
    faults: lab.faults().map(({ fault: kind, host, undoAt }) => ({ fault: kind, host, undoAt })),
  };
}

/** Counted without the control-plane hosts, which are nodes too. */
function nodeFacts(lab: Lab, { count, zones, kwok }: NodesPlan) {
  const hosts = lab.controlPlane.map(({ name }) => name);
  const inService = nodesInService(lab).filter((name) => !hosts.includes(name)).length;
  return { workers: count, zones, inService, kubelets: `none: kwok ${kwok.version} stands in` };
}

async function render(lab: Lab): Promise<string> {
  const facts = await describe(lab);
  const head = `lab ${facts.name}: etcd ${facts.etcd}, API server: ${facts.apiserver}, datapath ${facts.datapath}, address ${facts.endpoint.addresses.join(' and ')} port ${facts.endpoint.port}\n`;
  const rows = facts.hosts.map((h) => [h.name, h.addresses.join(' '), h.on ? 'on' : 'off', h.services.join(' '), h.role ?? '-']);
  const nodes = facts.nodes === null ? '' : `${facts.nodes.inService} ready of ${describeNodes(lab.plan)}, and runs no containers\n`;
  const faults = facts.faults.map((f) => `fault ${f.fault} on ${f.host}, undone by its timer at ${f.undoAt}\n`);
  return head + table(['HOST', 'ADDRESS', 'POWER', 'RUNNING', 'AGENT'], rows) + nodes + faults.join('');
}

function exec(): Command {
  return new Command('exec')
    .description('run a command in a host of a lab, from its /')
    .addOption(nameOption())
    .argument('<host>', 'cp1, cp2, … or client')
    .argument('<command...>', 'command and its arguments; `hale` is this program')
    .passThroughOptions()
    .action(async (host: string, command: string[], options: { name: string }) => {
      ensurePrivileges({ lab: options.name });
      const program = command[0] === 'hale' ? [process.execPath, process.argv[1] as string, ...command.slice(1)] : command;
      const [file, ...args] = openLab(options.name).host(host).command(program);
      const child = spawn(file as string, args, { stdio: 'inherit' });
      const ignore = () => {};
      // The child gets the terminal's Ctrl-C itself; this process waits for what it makes of it.
      process.on('SIGINT', ignore);
      const [code] = (await once(child, 'close')) as [number | null];
      process.off('SIGINT', ignore);
      process.exitCode = code ?? 1;
    });
}

function fault(): Command {
  return new Command('fault')
    .description(`inject a fault that undoes itself: ${FAULTS.join(', ')}`)
    .addOption(nameOption())
    .argument('<fault>', 'what to break')
    .argument(
      '[host]',
      'where: a control-plane host, a worker node for faults of nodes, a zone for zone-dead; not for half-the-nodes-unreachable and `undo`, which undoes all',
    )
    .option('--for <seconds>', 'undo it after this long', seconds, 30)
    .action(async (kind: string, named: string | undefined, options: { name: string; for: number }, command: Command) => {
      ensurePrivileges({ lab: options.name });
      const lab = openLab(options.name);
      if (kind === 'undo') {
        for (const record of lab.faults()) await lab.undo(record);
        return;
      }
      if (!FAULTS.includes(kind as Fault)) command.error(`error: unknown fault '${kind}'. Allowed choices are ${FAULTS.join(', ')}, undo.`);
      const host = named ?? (kind === 'half-the-nodes-unreachable' ? ALL_NODES : undefined);
      if (host === undefined) command.error('error: name the host to break, for example cp1.');
      const injected = await lab.inject(kind as Fault, host, { undoAfterMs: options.for * 1000 });
      process.stdout.write(
        `${kind} on ${host}; undone by its timer at ${injected.record.undoAt}, or now by: hale lab fault --name ${options.name} undo\n`,
      );
    });
}
