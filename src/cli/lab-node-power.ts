import { Argument, Command } from 'commander';
import { openLab } from '../lab/lab.ts';
import { nodePower, powerSilent, switchNode } from '../lab/nodes/power.ts';
import { ensurePrivileges } from '../lab/privileges.ts';

/** `hale lab node-power`: the management controllers of a lab, as a command that `heal.power.command` may name. Works in the hosts of the lab too. */
export function nodePowerCommand(): Command {
  return new Command('node-power')
    .description('what a management controller does for a node of a lab, also from inside its hosts: for `heal.power.command`')
    .argument('<lab>', 'name of the lab')
    .argument('<node>', 'node-1, node-2, … or a control-plane host')
    .addArgument(new Argument('<order>', 'whether it is on or off, or what is to be done').choices(['state', 'off', 'on']))
    .action(async (name: string, node: string, order: 'state' | 'off' | 'on') => {
      ensurePrivileges({ lab: name });
      const lab = openLab(name);
      if (order !== 'state') return switchNode(lab, node, order);
      const power = await nodePower(lab, node);
      if (power === 'silent') throw powerSilent(node);
      process.stdout.write(`${power}\n`);
    });
}
