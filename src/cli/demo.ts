import { Command } from 'commander';
import { EXIT_FINDING } from '../base/error.ts';
import { type Scenario, scenarioByName } from '../core/drill/scenario.ts';
import { awaitSteady } from '../lab/drill/agents.ts';
import { runDrill } from '../lab/drill/run.ts';
import type { LabDatapath, LabFamilies } from '../lab/plan.ts';
import { renderResult, writeReport } from './drill.ts';
import { interruptible } from './interrupt.ts';
import { bringUp, describe } from './lab.ts';
import { datapathOption, familiesOption, hostsOption, kubernetesOption, profileOption, requireLab } from './lab-options.ts';

const RETURN_TIMEOUT_MS = 30_000;

interface DemoOptions {
  hosts: string;
  ip: LabFamilies;
  profile: string;
  datapath: LabDatapath;
  kubernetes?: string;
  json?: true;
}

/** `hale demo`: the whole story once, on a lab of its own that is gone afterwards. */
export function demoCommand(): Command {
  return new Command('demo')
    .description('make a lab, cut the power of the host that holds the address, and show what a client saw')
    .addOption(hostsOption())
    .addOption(familiesOption())
    .addOption(profileOption())
    .addOption(datapathOption())
    .addOption(kubernetesOption())
    .option('--json', 'print one JSON document')
    .action(async (options: DemoOptions) => {
      await requireLab();
      await interruptible((signal) => demo(options, signal));
    });
}

async function demo(options: DemoOptions, signal: AbortSignal): Promise<void> {
  const say = (line: string) => process.stderr.write(`${line}\n`);
  const lab = await bringUp({ ...options, name: `demo-${process.pid}` }, signal);
  try {
    const facts = await describe(lab);
    const drill = await runDrill(lab, scenarioByName('owner-crash') as Scenario, { progress: say, signal });
    const holder = await awaitSteady(lab, { timeoutMs: RETURN_TIMEOUT_MS });
    say(`${drill.result.holderBefore} is back; ${holder.name} keeps the address, every API server is ready`);
    const { path, results } = writeReport(lab, [drill], 'hale-reports');
    if (options.json) process.stdout.write(`${JSON.stringify({ lab: facts, drills: results, report: path })}\n`);
    else process.stdout.write(results.map(renderResult).join('\n'));
    if (drill.result.verdict !== 'pass') process.exitCode = EXIT_FINDING;
  } finally {
    await lab.down();
    say('the lab is gone');
  }
}
