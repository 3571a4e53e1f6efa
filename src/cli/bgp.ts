import { Command } from 'commander';
import { EXIT_FINDING } from '../base/error.ts';
import type { RoutesStatus } from '../ports/control.ts';
import { askRouting } from './ask-agent.ts';
import { renderRoutes } from './render-routing.ts';

/** `hale bgp status`: the routers, and what they have been told. */
export function bgpCommand(): Command {
  const status = new Command('status')
    .description(
      'show neighbours with their state, timers, routes, BFD, last error and counters (`advertise: bgp`), or whether the routing daemon announces the address (`advertise: frr`, `bird`), as the agent of this host sees them',
    )
    .option('--json', 'print one JSON document')
    .action(async (options: { json?: true }) => {
      const { agent, part: routes } = await askRouting('routes', 'advertise: bgp, frr or bird');
      process.stdout.write(options.json ? `${JSON.stringify(routes, null, 2)}\n` : renderRoutes(agent, routes));
      if (!isWell(routes)) process.exitCode = EXIT_FINDING;
    });
  return new Command('bgp').description('look at the routers that lead clients to the address').addCommand(status);
}

function isWell({ problem, peers, wanted }: RoutesStatus): boolean {
  return problem === null && wanted === 'announced' && peers.every(({ state }) => state === 'Established');
}
