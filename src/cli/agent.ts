import { Command, Option } from 'commander';
import { runAgent } from '../agent/run.ts';
import { callControl } from '../drivers/control/client.ts';
import { CONTROL_SOCKET } from '../ports/control.ts';
import { DEFAULT_CONFIG, readClusterFile } from './read-cluster.ts';

/** `hale agent`: the daemon of a control-plane host, and two words to a running one. */
export function agentCommand(): Command {
  const command = new Command('agent')
    .description('run the agent of a control-plane host: election, address, health checks and proxy')
    .option('--config <file>', 'cluster description', DEFAULT_CONFIG)
    .addOption(
      new Option('--log-level <level>', 'least severity that is logged').choices(['debug', 'info', 'warn', 'error']).default('info'),
    )
    .action(async (options: { config: string; logLevel: string }) => {
      await runAgent({ cluster: readClusterFile(options.config), file: options.config, logLevel: options.logLevel });
    });
  command
    .command('drain')
    .description('hand the address over and do not stand for it again until `hale agent resume`')
    .action(() => tell('/drain'));
  command
    .command('resume')
    .description('stand for the address again')
    .action(() => tell('/resume'));
  return command;
}

async function tell(what: '/drain' | '/resume'): Promise<void> {
  await callControl(CONTROL_SOCKET, 'POST', what);
}
