import { Command, InvalidArgumentError, Option } from 'commander';
import { runHeal } from '../../agent/heal/run.ts';
import { parseHostPort } from '../../core/cluster/values.ts';
import { readClusterFile } from '../read-cluster.ts';
import { type ClusterAccess, withClusterAccess } from './options.ts';

interface RunOptions extends ClusterAccess {
  dryRun?: true;
  metricsAddress?: string;
  logLevel: string;
  untilEof?: true;
}

/** `hale heal run`: the controller. */
export function healRunCommand(): Command {
  return withClusterAccess(new Command('run'))
    .description('run the controller; of several one acts, which holds the Lease hale-heal. The agent does it by itself with heal.enabled')
    .option('--dry-run', 'decide and report everything, and change nothing')
    .addOption(
      new Option('--metrics-address <address:port>', 'serve Prometheus metrics there; by default heal.metricsAddress').argParser(address),
    )
    .addOption(
      new Option('--log-level <level>', 'least severity that is logged').choices(['debug', 'info', 'warn', 'error']).default('info'),
    )
    .addOption(new Option('--until-eof', 'end when standard input does').hideHelp())
    .action(async ({ config, kubeconfig, dryRun, metricsAddress, logLevel, untilEof }: RunOptions) => {
      const cluster = readClusterFile(config);
      if (untilEof) process.stdin.on('end', () => process.kill(process.pid, 'SIGTERM')).resume();
      await runHeal({
        cluster,
        kubeconfig,
        dryRun: dryRun === true,
        metricsAddress: metricsAddress ?? cluster.heal.metricsAddress,
        logLevel,
      });
    });
}

function address(text: string): string {
  if (parseHostPort(text) !== undefined) return text;
  throw new InvalidArgumentError('expected an address and a port such as 127.0.0.1:7702.');
}
