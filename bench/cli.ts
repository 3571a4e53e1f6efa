/** Side by side against peers: `npm run -s bench -- failover|vrrp|routes|bgp-peers|steady|idle|gate|faults|datapath|datapath-loss|kubernetes|etcd-status|etcd-defrag|etcd-snapshot|doctor|doctor-cases|render|node-death|node-drain|node-rest|all`. Prints Markdown, or one JSON document; progress goes to stderr. */
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { EXIT_FINDING, EXIT_USAGE, HaleError } from '../src/base/error.ts';
import { interruptible } from '../src/cli/interrupt.ts';
import { requireLab } from '../src/cli/lab-options.ts';
import { datapath, renderDatapath } from './datapath.ts';
import { datapathLoss, renderLoss } from './datapath-loss.ts';
import { doctor, renderDoctor } from './doctor.ts';
import { doctorCases, renderDoctorCases } from './doctor-cases.ts';
import { etcdStatus, renderEtcdStatus } from './etcd-status.ts';
import { ETCD_LINES, type EtcdLine } from '../test/support/etcd-programs.ts';
import { etcdDefrag, renderEtcdDefrag } from './etcd-defrag.ts';
import { etcdSnapshot, renderEtcdSnapshot } from './etcd-snapshot.ts';
import { faults, type FaultsResult, overlapping, renderFaults } from './faults.ts';
import { death, renderDeath } from './heal/death.ts';
import { drainBench, renderDrainBench } from './heal/drain.ts';
import { renderRest, rest } from './heal/rest.ts';
import { FAILOVER } from './failover-subjects.ts';
import { failover, type FailoverResult, renderFailover } from './failover.ts';
import { gate, type GateResult, renderGate } from './gate.ts';
import { idle, type IdleResult, renderIdle } from './idle.ts';
import { kubernetes, renderKubernetes } from './kubernetes.ts';
import { type MachineFacts, machineFacts, renderMachine } from './machine.ts';
import { render as renderCluster, renderRender } from './render.ts';
import { renderSteady, steady, type SteadyResult } from './steady.ts';
import { VRRP } from './vrrp.ts';
import { bgpPeers, renderBgpPeers } from './bgp-peers.ts';
import { routes } from './routes.ts';
import { renderRoutes } from './routes/render.ts';

interface BenchDocument {
  machine: MachineFacts;
  failover?: FailoverResult;
  steady?: SteadyResult;
  idle?: IdleResult;
  gate?: GateResult;
}

interface Options {
  runs: number;
  minutes: number;
  only?: string;
  json?: true;
}

const BENCHES = ['failover', 'steady', 'idle', 'gate'] as const;

async function main(): Promise<void> {
  const program = new Command('bench').description('measures hale, side by side against peers where there are any');
  program.addCommand(
    withOnly(withRuns(bench('failover', 'outage at the client when the holder of the address dies: hale and keepalived', ['failover']))),
  );
  program.addCommand(vrrpCommand());
  program.addCommand(routesCommand());
  program.addCommand(bgpPeersCommand());
  program.addCommand(withMinutes(bench('steady', 'changes of holder while every core is busy', ['steady'])));
  program.addCommand(bench('idle', 'memory and CPU time of idle agents', ['idle']));
  program.addCommand(bench('gate', 'the lease in the kernel: cost of a renewal, lateness of its end, cost of a packet', ['gate']));
  program.addCommand(faultsCommand());
  program.addCommand(datapathCommand());
  program.addCommand(lossCommand());
  program.addCommand(kubernetesCommand());
  program.addCommand(nodeDeathCommand());
  program.addCommand(nodeDrainCommand());
  program.addCommand(nodeRestCommand());
  program.addCommand(etcdStatusCommand());
  program.addCommand(etcdDefragCommand());
  program.addCommand(etcdSnapshotCommand());
  program.addCommand(doctorCommand());
  program.addCommand(doctorCasesCommand());
  program.addCommand(renderCommand());
  program.addCommand(withMinutes(withRuns(bench('all', 'failover, steady, idle and gate, one after another', BENCHES))));
  for (const command of [program, ...program.commands]) command.exitOverride();
  await program.parseAsync();
}

function bench(name: string, description: string, parts: readonly (typeof BENCHES)[number][]): Command {
  return new Command(name)
    .description(description)
    .option('--json', 'print one JSON document')
    .action(async (options: Options) => {
      await requireLab();
      const document = await interruptible((signal) => run(parts, options, signal));
      process.stdout.write(options.json ? `${JSON.stringify(document)}\n` : render(document));
    });
}

function faultsCommand(): Command {
  return new Command('faults')
    .description('real faults of every kind, each watched for two hosts that answer for the address at once; exits with 1 when any did')
    .option('--runs <n>', 'faults in all', whole, 200)
    .option('--seed <n>', 'of the moments', whole, 1)
    .option('--json', 'print one JSON document')
    .action(async (options: { runs: number; seed: number; json?: true }) => {
      await requireLab();
      const machine = await machineFacts();
      const result: FaultsResult = await interruptible((signal) => faults({ ...options, say, signal }));
      const text = `${renderMachine(machine)}\n${renderFaults(result)}`;
      process.stdout.write(options.json ? `${JSON.stringify({ machine, faults: result })}\n` : text);
      if (overlapping(result).length > 0) process.exitCode = EXIT_FINDING;
    });
}

function vrrpCommand(): Command {
  return withOnly(withRuns(new Command('vrrp')))
    .description('outage at the client when the active router of VRRP dies or freezes: hale, keepalived, and both in one group')
    .option('--json', 'print one JSON document')
    .action((options: Pick<Options, 'runs' | 'only' | 'json'>) =>
      withLab(options, { work: (signal) => failover({ ...options, suite: VRRP, say, signal }), render: renderFailover }),
    );
}

function routesCommand(): Command {
  return withOnly(withRuns(new Command('routes')))
    .description('what clients see when one of three hosts that announce the address by BGP is drained or crashes; the router is BIRD')
    .option('--json', 'print one JSON document')
    .action((options: Pick<Options, 'runs' | 'only' | 'json'>) =>
      withLab(options, { work: (signal) => routes({ ...options, say, signal }), render: renderRoutes }),
    );
}

function bgpPeersCommand(): Command {
  return new Command('bgp-peers')
    .description('one BGP speaker and many routers in the simulator: how long until all sessions are up, and the processor time of that')
    .option('--peers <n>', 'routers', whole, 1000)
    .option('--runs <n>', 'lives, each of another seed', whole, 3)
    .option('--json', 'print one JSON document')
    .action(async (options: { peers: number; runs: number; json?: true }) => {
      const machine = await machineFacts();
      const result = bgpPeers({ ...options, say });
      const text = `${renderMachine(machine)}\n${renderBgpPeers(result)}`;
      process.stdout.write(options.json ? `${JSON.stringify({ ...result, machine })}\n` : text);
    });
}

function datapathCommand(): Command {
  return new Command('datapath')
    .description('throughput, connections per second and latency of every datapath, beside HAProxy and plain DNAT')
    .option('--runs <n>', 'runs of each subject', whole, 10)
    .option('--json', 'print one JSON document')
    .action((options: { runs: number; json?: true }) =>
      withLab(options, { work: (signal) => datapath({ ...options, say, signal }), render: renderDatapath }),
    );
}

function lossCommand(): Command {
  return new Command('datapath-loss')
    .description('what connections go through when the holder or an API server dies: every datapath, and keepalived with HAProxy')
    .option('--runs <n>', 'runs of each subject', whole, 10)
    .option('--json', 'print one JSON document')
    .action((options: { runs: number; json?: true }) =>
      withLab(options, { work: (signal) => datapathLoss({ ...options, say, signal }), render: renderLoss }),
    );
}

function kubernetesCommand(): Command {
  return new Command('kubernetes')
    .description(
      'real Kubernetes whose address loses its holder: hale, keepalived with HAProxy, and kube-vip; and how long it takes to start',
    )
    .option('--runs <n>', 'runs of each subject', whole, 10)
    .option('--json', 'print one JSON document')
    .action((options: { runs: number; json?: true }) =>
      withLab(options, { work: (signal) => kubernetes({ ...options, say, signal }), render: renderKubernetes }),
    );
}

function nodeDeathCommand(): Command {
  return new Command('node-death')
    .option('--runs <n>', 'runs of each subject', whole, 3)
    .option('--json', 'print one JSON document')
    .description('how long the Pods of a dead node are away: Kubernetes with its defaults, and hale heal')
    .action((options: { runs: number; json?: true }) =>
      withLab(options, { work: (signal) => death({ ...options, say, signal }), render: renderDeath }),
    );
}

function nodeDrainCommand(): Command {
  return new Command('node-drain')
    .option('--runs <n>', 'runs of each subject', whole, 3)
    .option('--json', 'print one JSON document')
    .description('50 nodes with 2,000 Pods under budgets are drained: hale and kubectl')
    .action((options: { runs: number; json?: true }) =>
      withLab(options, { work: (signal) => drainBench({ ...options, say, signal }), render: renderDrainBench }),
    );
}

function nodeRestCommand(): Command {
  return new Command('node-rest')
    .description('what a controller takes that watches nodes with nothing to do, and how soon it decides')
    .option('--nodes <n>', 'nodes', whole, 1000)
    .option('--minutes <n>', 'how long', whole, 5)
    .option('--json', 'print one JSON document')
    .action((options: { nodes: number; minutes: number; json?: true }) =>
      withLab(options, { work: (signal) => rest({ ...options, say, signal }), render: renderRest }),
    );
}

async function withLab<Result extends object>(
  { json }: { json?: true },
  { work, render: renderResult }: { work: (signal: AbortSignal) => Promise<Result>; render: (result: Result) => string },
): Promise<void> {
  await requireLab();
  const machine = await machineFacts();
  const result = await interruptible(work);
  process.stdout.write(json ? `${JSON.stringify({ ...result, machine })}\n` : `${renderMachine(machine)}\n${renderResult(result)}`);
}

function etcdStatusCommand(): Command {
  return new Command('etcd-status')
    .description('how long `hale etcd status` of five members takes, all alive, with one killed and with one frozen, beside etcdctl')
    .option('--runs <n>', 'runs of each', whole, 20)
    .option('--json', 'print one JSON document')
    .action(async (options: { runs: number; json?: true }) => {
      const machine = await machineFacts();
      const result = await etcdStatus({ runs: options.runs, say });
      const text = `${renderMachine(machine)}\n${renderEtcdStatus(result)}`;
      process.stdout.write(options.json ? `${JSON.stringify({ ...result, machine })}\n` : text);
    });
}

function etcdDefragCommand(): Command {
  return new Command('etcd-defrag')
    .description('latency of writes while every member of etcd is defragmented: by hale, and by loops of etcdctl')
    .option('--rounds <n>', 'runs of each', whole, 2)
    .option('--mib <n>', 'size of the databases', whole, 1024)
    .option('--live-percent <n>', 'of it that is in use', whole, 10)
    .addOption(new Option('--etcd <line>', 'release line; the newest up to 3.6 that is here').choices(ETCD_LINES))
    .option('--json', 'print one JSON document')
    .action(async (options: { rounds: number; mib: number; livePercent: number; etcd?: EtcdLine; json?: true }) => {
      const machine = await machineFacts();
      const result = await interruptible((signal) => etcdDefrag({ ...options, line: options.etcd, say, signal }));
      const text = `${renderMachine(machine)}\n${renderEtcdDefrag(result)}`;
      process.stdout.write(options.json ? `${JSON.stringify({ machine, ...result })}\n` : text);
    });
}

function etcdSnapshotCommand(): Command {
  return new Command('etcd-snapshot')
    .description('a snapshot of a large database to a file: time, CPU time and memory of hale and of etcdctl')
    .option('--runs <n>', 'runs of each', whole, 5)
    .option('--mib <n>', 'size of the database', whole, 2048)
    .option('--json', 'print one JSON document')
    .action(async (options: { runs: number; mib: number; json?: true }) => {
      const machine = await machineFacts();
      const result = await interruptible((signal) => etcdSnapshot({ ...options, say, signal }));
      const text = `${renderMachine(machine)}\n${renderEtcdSnapshot(result)}`;
      process.stdout.write(options.json ? `${JSON.stringify({ ...result, machine })}\n` : text);
    });
}

function doctorCommand(): Command {
  return new Command('doctor')
    .description('how long `hale doctor` takes over a thousand files')
    .option('--runs <n>', 'runs', whole, 9)
    .option('--json', 'print one JSON document')
    .action(async (options: { runs: number; json?: true }) => {
      const machine = await machineFacts();
      const result = doctor({ runs: options.runs, say });
      process.stdout.write(
        options.json ? `${JSON.stringify({ ...result, machine })}\n` : `${renderMachine(machine)}\n${renderDoctor(result)}`,
      );
    });
}

function doctorCasesCommand(): Command {
  return new Command('doctor-cases')
    .description('precision and recall of `hale doctor` on configurations of others, judged by hand')
    .option('--cases <folder>', 'where they are', 'test/doctor-cases')
    .option('--json', 'print one JSON document')
    .action(({ cases, json }: { cases: string; json?: true }) => {
      const result = doctorCases(cases);
      process.stdout.write(json ? `${JSON.stringify(result)}\n` : renderDoctorCases(result));
    });
}

function renderCommand(): Command {
  return new Command('render')
    .description('how long `hale render` takes for seven control-plane hosts and a thousand workers')
    .option('--runs <n>', 'runs of each', whole, 10)
    .option('--json', 'print one JSON document')
    .action(async (options: { runs: number; json?: true }) => {
      const machine = await machineFacts();
      const result = renderCluster({ runs: options.runs, say });
      const text = `${renderMachine(machine)}\n${renderRender(result)}`;
      process.stdout.write(options.json ? `${JSON.stringify({ ...result, machine })}\n` : text);
    });
}

async function run(parts: readonly (typeof BENCHES)[number][], options: Options, signal: AbortSignal): Promise<BenchDocument> {
  const document: BenchDocument = { machine: await machineFacts() };
  if (document.machine.otherLabs > 0) say(`other labs run on this machine and disturb the numbers: ${document.machine.otherLabs}`);
  // First, because it is the one that refuses without root.
  if (parts.includes('gate')) document.gate = await gate({ say, signal });
  if (parts.includes('failover')) document.failover = await failover({ ...options, suite: FAILOVER, say, signal });
  if (parts.includes('steady')) document.steady = await steady({ minutes: options.minutes, say, signal });
  if (parts.includes('idle')) document.idle = await idle({ say, signal });
  return document;
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

function render(document: BenchDocument): string {
  const sections = [
    renderMachine(document.machine),
    document.failover && renderFailover(document.failover),
    document.steady && renderSteady(document.steady),
    document.idle && renderIdle(document.idle),
    document.gate && renderGate(document.gate),
  ];
  return sections.filter((section) => section !== undefined).join('\n');
}

function withRuns(command: Command): Command {
  return command.option('--runs <n>', 'runs of each subject', whole, 20);
}

function withOnly(command: Command): Command {
  return command.option('--only <text>', 'subjects whose name holds this');
}

function withMinutes(command: Command): Command {
  return command.option('--minutes <n>', 'how long to watch', whole, 10);
}

function whole(text: string): number {
  if (!/^[1-9]\d{0,3}$/.test(text)) throw new InvalidArgumentError('expected a whole number from 1 to 9999.');
  return Number(text);
}

try {
  await main();
} catch (error) {
  if (error instanceof CommanderError) process.exit(error.exitCode === 0 ? 0 : EXIT_USAGE);
  if (!(error instanceof HaleError)) throw error;
  process.stderr.write(`bench: ${error.message}\n${error.remedy === undefined ? '' : `  ${error.remedy}\n`}`);
  process.exit(error.exitCode);
}
