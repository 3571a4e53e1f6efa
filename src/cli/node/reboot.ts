import { Command, Option } from 'commander';
import { openTools } from '../../agent/heal/tools.ts';
import { EXIT_FINDING, HaleError } from '../../base/error.ts';
import type { HealStep } from '../../core/cluster/heal.ts';
import type { Cluster } from '../../core/cluster/schema.ts';
import { fateOf } from '../../core/heal/drain/sort.ts';
import { conditionOf, type NodeFacts } from '../../core/heal/facts.ts';
import { boottime } from '../../drivers/linux/boottime.ts';
import { outcomeText, runStep, type StepTools, takeBack } from '../../engine/heal/steps.ts';
import { pause } from '../../engine/etcd/pause.ts';
import type { Kubernetes } from '../../ports/kubernetes.ts';
import { agreed } from '../agreed.ts';
import { withCluster } from '../heal/options.ts';
import { interruptible } from '../interrupt.ts';
import { createProgress, type Progress } from '../progress.ts';
import { wholeNumber } from '../whole-number.ts';
import { chosenNodes, type NodeOptions, withNodes } from './choose.ts';
import { cordon, notChanged } from './cordon.ts';
import { drainLive, renderDrainPlan } from './drain-live.ts';
import { type DrainOptions, drainSettings, withDrainOptions } from './drain-options.ts';

interface Options extends NodeOptions, DrainOptions {
  by: 'ssh' | 'power';
  wait: number;
  yes?: true;
  dryRun?: true;
}

const POLL_MS = 2000;

/** `hale node reboot`: one node after another is drained, rebooted, and let in again when it is ready. */
export function nodeRebootCommand(): Command {
  return withDrainOptions(withNodes(new Command('reboot')))
    .description('drain, reboot and uncordon nodes, one after another; a control-plane host only where etcd can do without it')
    .addOption(
      new Option('--by <way>', 'ssh: the host reboots itself; power: it is switched off and on (heal.power)')
        .choices(['ssh', 'power'])
        .default('ssh'),
    )
    .addOption(new Option('--wait <s>', 'how long a host may take to be ready again, in seconds').argParser(wholeNumber).default(900))
    .option('--yes', 'do not ask')
    .option('--dry-run', 'only show what would be done')
    .action(async (names: string[], options: Options) => {
      await withCluster(options, (found) => rebootThem(names, options, found));
    });
}

async function rebootThem(
  names: readonly string[],
  options: Options,
  { cluster, kubernetes }: { cluster: Cluster; kubernetes: Kubernetes },
): Promise<void> {
  const settings = drainSettings(options, cluster);
  const tools: StepTools = { ...openTools({ cluster, kubernetes, onProgress: () => undefined }), drain: settings };
  const nodes = await chosenNodes(tools.api, names, options);
  const wanted = new Set(nodes.map(({ name }) => name));
  const pods = (await tools.api.pods()).filter(({ node }) => wanted.has(node));
  process.stdout.write(renderDrainPlan(nodes, pods, settings));
  if (pods.some((pod) => fateOf(pod, settings).kind === 'forbidden')) {
    process.exitCode = EXIT_FINDING;
    return;
  }
  if (options.dryRun) return;
  if (!(await agreed('Drain and reboot these nodes, one after another?', { ...options, undone: 'no node was rebooted' }))) return;
  const progress = createProgress();
  await interruptible(
    async (signal) => {
      for (const node of nodes) {
        if (signal.aborted) break;
        await rebootOne(node, { tools, progress, signal, options });
      }
    },
    { says: 'stopping after this step; what is cordoned stays so (hale node uncordon)' },
  );
}

interface Reboot {
  tools: StepTools;
  progress: Progress;
  signal: AbortSignal;
  options: Options;
}

async function rebootOne(node: NodeFacts, { tools, progress, signal, options }: Reboot): Promise<void> {
  const { api } = tools;
  const { name, bootId } = node;
  const refusal = await tools.mayStop(node);
  if (refusal !== undefined) throw notRebooted(name, `${refusal.brake}: ${refusal.text}`);
  const cordoned = await cordon(api, name);
  if (!cordoned.ok) throw notChanged(name, cordoned.reason);
  const { outcome } = await drainLive({ api, nodes: [{ name, isSilent: false }], settings: tools.drain, progress, signal });
  if (outcome.kind === 'cancelled') return;
  if (outcome.kind !== 'drained') throw notRebooted(name, outcomeText(outcome));
  const steps: HealStep[] = options.by === 'ssh' ? ['reboot'] : ['power-off', 'power-on'];
  for (const step of steps) {
    progress.step(`${name}: ${step}`);
    const result = await runStep({ node, step, record: undefined, isSilent: false, mayAct: () => !signal.aborted }, tools).ended;
    if (result.kind !== 'done') throw notRebooted(name, 'reason' in result ? result.reason : result.kind);
  }
  await untilBack(node, { tools, progress, signal, options });
  const back = await takeBack(api, name, { cordoned: true, tainted: false });
  if (!back.ok) throw notChanged(name, back.reason);
  progress.step(`${name}: rebooted (boot id ${bootId.slice(0, 8)} was before), ready and uncordoned`);
}

async function untilBack({ name, bootId }: NodeFacts, { tools, progress, signal, options }: Reboot): Promise<void> {
  const until = boottime.now() + options.wait * 1000;
  for (;;) {
    const now = await tools.api.node(name).catch((error: unknown) => {
      // Its own API server may be the one that was asked.
      if (error instanceof HaleError) return undefined;
      throw error;
    });
    if (now !== undefined && now.bootId !== bootId && conditionOf(now, 'Ready')?.status === 'True') return;
    if (signal.aborted || boottime.now() >= until) throw notRebooted(name, 'it is not ready again yet, with another boot id');
    progress.at(`${name}: waiting until it is ready again`);
    await pause(boottime, POLL_MS, signal);
  }
}

function notRebooted(node: string, reason: string): HaleError {
  return new HaleError({
    code: 'node_not_rebooted',
    kind: 'world',
    message: `${node}: ${reason}`,
    remedy: `the nodes after it were left alone; where it is cordoned it stays so until hale node uncordon ${node}`,
  });
}
