import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Argument, Command, InvalidArgumentError } from 'commander';
import { EXIT_FINDING, HaleError } from '../base/error.ts';
import type { ByActivity, Fates } from '../core/drill/measure.ts';
import type { DrillResult } from '../core/drill/result.ts';
import { HEALING_SCENARIOS, healingScenarioByName } from '../core/drill/healing/scenario.ts';
import { SCENARIOS, scenarioByName, type Scenario } from '../core/drill/scenario.ts';
import { type Drill, runDrill } from '../lab/drill/run.ts';
import { describeApiserver, type Lab, openLab } from '../lab/lab.ts';
import { describeDatapath, type LabDatapath } from '../lab/plan.ts';
import { ensurePrivileges } from '../lab/privileges.ts';
import { renderHealingReport } from '../lab/report/healing.ts';
import { renderReport } from '../lab/report/report.ts';
import { switchDatapath } from '../lab/switch-datapath.ts';
import { type HealingDrill, runHealingDrill } from '../lab/healing/run.ts';
import { interruptible } from './interrupt.ts';
import { nameOption, otherDatapathOption } from './lab-options.ts';
import { renderHealing } from './render-healing.ts';
import { table } from './table.ts';
import { wholeNumber } from './whole-number.ts';

/** Of the address, and of nodes. */
const ALL = [...SCENARIOS, ...HEALING_SCENARIOS];

/** Where reports go, below the folder in which the command was called. */
const REPORT_FOLDER = 'hale-reports';

interface RunOptions {
  name: string;
  datapath?: LabDatapath;
  every?: number;
  reportDir: string;
  json?: true;
}

/** `hale drill`: a real fault on a lab, and the outage as a client saw it. */
export function drillCommand(): Command {
  return new Command('drill').description('inject a real fault and measure what a client sees').addCommand(list()).addCommand(runCommand());
}

function list(): Command {
  return new Command('list').description('the drills there are').action(() => {
    process.stdout.write(
      table(
        ['DRILL', 'WHAT HAPPENS'],
        ALL.map((s) => [s.name, s.description]),
      ),
    );
  });
}

function runCommand(): Command {
  return new Command('run')
    .description('run a drill on a lab')
    .addArgument(new Argument('<drill>', 'see `hale drill list`').choices(ALL.map((s) => s.name)))
    .addOption(nameOption())
    .addOption(otherDatapathOption())
    .option('--every <ms>', 'time between requests; by default 5, and 20 where a request takes over 4 ms', requestInterval)
    .option('--report-dir <dir>', 'folder for the HTML report', REPORT_FOLDER)
    .option('--json', 'print one JSON document')
    .action(async (name: string, options: RunOptions) => {
      ensurePrivileges({ lab: options.name });
      const opened = openLab(options.name);
      const progress = (line: string) => process.stderr.write(`${line}\n`);
      const ofNodes = healingScenarioByName(name);
      if (ofNodes !== undefined) {
        refuseRequestOptions(name, options);
        const drill = await interruptible((signal) => runHealingDrill(opened, ofNodes, { progress, signal }));
        const result = { ...drill.result, report: writeHealingReport(opened, drill, options.reportDir) };
        process.stdout.write(options.json ? `${JSON.stringify(result)}\n` : renderHealing(result));
        if (result.verdict !== 'pass') process.exitCode = EXIT_FINDING;
        return;
      }
      const lab = await switchDatapath(opened, options.datapath ?? opened.plan.datapath);
      const { every } = options;
      const scenario = scenarioByName(name) as Scenario;
      const drill = await interruptible((signal) =>
        runDrill(lab, scenario, { ...(every !== undefined && { intervalMs: every }), progress, signal }),
      );
      const [result] = writeReport(lab, [drill], options.reportDir).results as [DrillResult];
      if (options.json) process.stdout.write(`${JSON.stringify(result)}\n`);
      else process.stdout.write(renderResult(result));
      if (result.verdict !== 'pass') process.exitCode = EXIT_FINDING;
    });
}

/** Nobody asks the address in a drill of nodes. */
function refuseRequestOptions(drill: string, { every, datapath }: RunOptions): void {
  const given = every !== undefined ? '--every' : datapath !== undefined ? '--datapath' : undefined;
  if (given === undefined) return;
  throw new HaleError({
    code: 'drill_option_unused',
    kind: 'usage',
    message: `${given} is for drills of the address, and ${drill} is one of nodes`,
    remedy: `leave ${given} out`,
  });
}

/** Beyond a second the outage would be no measurement. */
function requestInterval(text: string): number {
  const ms = wholeNumber(text);
  if (ms < 1 || ms > 1000) throw new InvalidArgumentError('expected 1 to 1000 milliseconds.');
  return ms;
}

/** Writes one HTML report of the drills, and returns their results with its path in them. */
export function writeReport(lab: Lab, drills: readonly Drill[], folder: string): { path: string; results: DrillResult[] } {
  const names = drills.map(({ result }) => result.scenario).join('-');
  const path = reportPath(folder, { names, startedAt: (drills[0] as Drill).result.startedAt });
  const facts = [...factsOf(lab), ['Timing profile', lab.plan.profile] as const];
  writeFileSync(path, renderReport({ title: `Drill report: ${names}`, facts, drills }));
  return { path, results: drills.map(({ result }) => ({ ...result, report: path })) };
}

function writeHealingReport(lab: Lab, { result, record }: HealingDrill, folder: string): string {
  const path = reportPath(folder, { names: result.scenario, startedAt: result.startedAt });
  writeFileSync(path, renderHealingReport({ title: `Drill report: ${result.scenario}`, facts: factsOf(lab), result, record }));
  return path;
}

/** Makes the folder, too. */
function reportPath(folder: string, { names, startedAt }: { names: string; startedAt: string }): string {
  mkdirSync(folder, { recursive: true });
  return resolve(join(folder, `${startedAt.replace(/[-:]|\..*/g, '')}-${names}.html`));
}

function factsOf({ plan }: Lab): [string, string][] {
  return Object.entries({
    Lab: `${plan.controlPlane.length} control-plane hosts and a client, as network namespaces of one machine`,
    etcd: `${plan.etcd.version}, ${plan.controlPlane.length} members, mutual TLS`,
    'API server': describeApiserver(plan),
    Datapath: describeDatapath(plan),
  });
}

function fatesText({ active, idle }: ByActivity<Fates>): string {
  return Object.entries({ active, idle })
    .map(([activity, { kept, reset, hung }]) => `${activity}: ${kept} kept, ${reset} reset, ${hung} hung`)
    .join('; ');
}

function toldText({ median, max }: { median: number | null; max: number | null }): string {
  return median === null ? 'none' : `${median} ms (at worst ${max} ms)`;
}

function fleetRows({ fleet }: DrillResult): string[][] {
  if (fleet === undefined) return [];
  const { writers, watchers, committedWrites, failedWrites, watchesLost, lostElsewhere, withoutWatchMs, relists, gets } = fleet;
  const breaches = `${fleet.lostWrites + fleet.overwrittenWrites} lost`;
  const events = `${fleet.lostEvents} lost, ${fleet.duplicateEvents} twice, ${fleet.disorderedEvents} out of order`;
  return [
    [
      `writes of ${writers} clients`,
      `${committedWrites} acknowledged, ${breaches}; ${failedWrites} failed, none acknowledged for ${fleet.stalledMs} ms`,
    ],
    [`events of ${watchers} watches`, events],
    ['watches', `${watchesLost} ended, the next after ${toldText(withoutWatchMs)}; ${relists} lists anew`],
    ['of these elsewhere', `${lostElsewhere.ended} ended by API servers on hosts that were not struck, ${lostElsewhere.broken} broke`],
    ['GET, new connections', `${gets.total}, ${gets.failed} failed, outage ${gets.outageMs} ms`],
  ];
}

function allowedText({ outageBoundMs, rigAllowanceMs }: DrillResult): string {
  return rigAllowanceMs === 0 ? `${outageBoundMs} ms` : `${outageBoundMs} ms and ${rigAllowanceMs} ms of the rig's own`;
}

/** The result in a few lines. */
export function renderResult(result: DrillResult): string {
  const { requests, connections, holders } = result;
  const every = holders.watchedEveryMs;
  const rows = [
    ['outage at the client', `${result.outageMs} ms (allowed: ${allowedText(result)})`],
    ['the same without a fault', `${result.quiet.gapMs} ms, in ${result.quiet.forMs} ms before it`],
    ['requests', `${requests.total}, one every ${requests.everyMs} ms, ${requests.failed} failed`],
    ['connections', `${connections.total}: ${connections.kept} kept, ${connections.reset} reset, ${connections.hung} hung`],
    ['on the struck host', fatesText(connections.struck)],
    ['on the others', fatesText(connections.others)],
    ['told after', `${toldText(connections.toldAfterMs.active)} active, ${toldText(connections.toldAfterMs.idle)} idle`],
    ...fleetRows(result),
    ['holder', `${result.holderBefore} -> ${result.holderAfter}`],
    ['holders at once', `at most ${holders.maxSimultaneous}, overlap ${holders.overlapMs} ms`],
    ['watched every', `${every.median} ms (99 %: ${every.p99} ms, at worst ${every.max} ms)`],
    ['API server', result.apiserver],
    ['datapath', result.datapath],
    ['report', result.report ?? 'none'],
  ];
  const reasons = result.reasons.map((reason) => `  because ${reason}\n`).join('');
  return `${result.scenario}: ${result.verdict}\n${reasons}${table(['', ''], rows).trimStart()}`;
}
