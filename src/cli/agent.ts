import { Command, Option } from 'commander';
import { runAgent } from '../agent/run.ts';
import { runNode } from '../agent/node.ts';
import { uninstall } from '../agent/uninstall.ts';
import { callControl } from '../drivers/control/client.ts';
import { CONTROL_SOCKET } from '../ports/control.ts';
import { HaleError } from '../base/error.ts';
import type { Cluster } from '../core/cluster/schema.ts';
import { runsAgent } from '../core/render/hale/part.ts';
import { DEFAULT_CONFIG, readClusterFile } from './read-cluster.ts';

/** `hale agent`: the daemon of a control-plane host or a node, two words to a running one, and its removal. */
export function agentCommand(): Command {
  const command = new Command('agent')
    .description('run the agent of a control-plane host: election, address, health checks and proxy')
    .option('--config <file>', 'cluster description', DEFAULT_CONFIG)
    .option('--node', 'run on a machine that is no control-plane host: send its connections to the address straight to ready API servers')
    .addOption(
      new Option('--log-level <level>', 'least severity that is logged').choices(['debug', 'info', 'warn', 'error']).default('info'),
    )
    .action(async ({ config: file, node, logLevel }: { config: string; node?: true; logLevel: string }) => {
      const run = node ? runNode : runAgent;
      const cluster = readClusterFile(file);
      refuseOtherProvider(cluster, file);
      await run({ cluster, file, logLevel });
    });
  command
    .command('drain')
    .description('hand the address over and do not stand for it again until `hale agent resume`')
    .action(() => tell('/drain'));
  command
    .command('resume')
    .description('stand for the address again')
    .action(() => tell('/resume'));
  command
    .command('uninstall')
    .description("remove what a stopped agent leaves in this machine's kernel on purpose, so that connections go on without it")
    .action(async () => {
      const { config } = command.opts<{ config: string }>();
      const cluster = clusterOrNote(config);
      const removed = await uninstall(cluster);
      process.stdout.write(removed.length === 0 ? 'nothing of hale is left in the kernel\n' : `removed ${removed.join(', ')}\n`);
    });
  return command;
}

/** Two who answer for one address are worse than none. */
function refuseOtherProvider(cluster: Cluster, file: string): void {
  if (runsAgent(cluster)) return;
  throw new HaleError({
    code: 'agent_other_provider',
    kind: 'usage',
    message: `${file}: endpoint.provider is ${cluster.endpoint.provider}, so the address is not hale's to hold`,
    remedy:
      'set endpoint.provider to hale once nothing else answers for the address, or stop this agent (systemctl disable --now hale-agent)',
  });
}

async function tell(what: '/drain' | '/resume'): Promise<void> {
  await callControl(CONTROL_SOCKET, 'POST', what);
}

/** The description may be gone already; what it would tell is left then, and that is said. */
function clusterOrNote(file: string): Cluster | undefined {
  try {
    return readClusterFile(file);
  } catch (error) {
    process.stderr.write(
      `${(error as Error).message}\nleft alone: the address on lo and the table netdev hale of datapath dsr, if they are there; name the description with --config\n`,
    );
    return undefined;
  }
}
