import { Command } from 'commander';
import { EXIT_FINDING } from '../base/error.ts';
import { askRouting } from './ask-agent.ts';
import { renderVrrp } from './render-routing.ts';

/** `hale vrrp status`: the virtual router, as the agent of this host sees it. */
export function vrrpCommand(): Command {
  const status = new Command('status')
    .description(
      'show state, timers, who is active, the last error and counters of the virtual router (`election: vrrp`), as the agent of this host sees them',
    )
    .option('--json', 'print one JSON document')
    .action(async (options: { json?: true }) => {
      const { agent, part: vrrp } = await askRouting('vrrp', 'election: vrrp');
      process.stdout.write(options.json ? `${JSON.stringify(vrrp, null, 2)}\n` : renderVrrp(agent, vrrp));
      if (vrrp.warnings.length > 0 || (vrrp.state !== 'active' && vrrp.active === null)) process.exitCode = EXIT_FINDING;
    });
  return new Command('vrrp')
    .description('look at VRRP, with which the address moves between hosts, keepalived and routers')
    .addCommand(status);
}
