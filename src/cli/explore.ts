import { Command } from 'commander';
import { EXIT_FINDING, HaleError } from '../base/error.ts';
import { explore, type Exploration } from '../sim/explore/explore.ts';
import { scopeNamed, scopes } from '../sim/explore/scopes.ts';
import { traceLines } from '../sim/explore/trace.ts';
import type { Scope } from '../sim/explore/world.ts';
import { table } from './table.ts';
import { wholeNumber } from './whole-number.ts';

const STATES_DEFAULT = 1_000_000;

interface Explored extends Exploration {
  seconds: number;
  trace: string[];
}

/** `hale sim explore`: the interleavings of a small cluster's messages, delays and faults, all of them up to a depth, through the production election. */
export function exploreCommand(): Command {
  return new Command('explore')
    .description('visit the states that small clusters can reach, nearest first, and check that at most one host ever answers')
    .argument('[scope]', 'one scope instead of all; --list tells their names')
    .option('--list', 'list the scopes and end')
    .option('--states <n>', 'visit at most this many states of a scope', wholeNumber, STATES_DEFAULT)
    .option('--json', 'print one JSON document')
    .action((name: string | undefined, options: { list?: true; states: number; json?: true }) => {
      if (options.list)
        return void process.stdout.write(
          table(
            ['SCOPE', 'WHAT'],
            scopes.map((scope) => [scope.name, scope.about]),
          ),
        );
      const results: Explored[] = [];
      for (const scope of chosen(name)) {
        const result = run(scope, options.states);
        results.push(result);
        if (!options.json) process.stdout.write(report(result));
      }
      if (options.json)
        process.stdout.write(
          `${JSON.stringify(results.map(({ violation, ...rest }) => ({ ...rest, violation: violation?.reason ?? null })))}\n`,
        );
      else if (results.length > 1) process.stdout.write(summary(results));
      if (results.some(({ violation }) => violation !== undefined)) process.exitCode = EXIT_FINDING;
    });
}

function chosen(name: string | undefined): readonly Scope[] {
  if (name === undefined) return scopes;
  const scope = scopeNamed(name);
  if (scope !== undefined) return [scope];
  throw new HaleError({
    code: 'explore_scope_unknown',
    kind: 'usage',
    message: `there is no scope ${JSON.stringify(name)}`,
    remedy: `choose one of: ${scopes.map((known) => known.name).join(', ')}`,
  });
}

function run(scope: Scope, statesMax: number): Explored {
  const started = performance.now();
  const onDepth = ({ depth, states }: { depth: number; states: number }) => {
    if (process.stderr.isTTY) process.stderr.write(`\r${scope.name}: depth ${depth}, ${states} states\u001b[K\r`);
  };
  const exploration = explore(scope, { statesMax, onDepth });
  const seconds = (performance.now() - started) / 1000;
  return { ...exploration, seconds, trace: exploration.violation === undefined ? [] : traceLines(scope, exploration.violation) };
}

function report({ scope, states, depth, complete, seconds, violation, trace }: Explored): string {
  const extent = violation !== undefined ? 'VIOLATION' : complete ? 'every state' : 'cut short';
  return `${[`${scope}: ${extent}, ${states} states, depth ${depth}, ${seconds.toFixed(1)} s`, ...trace].join('\n')}\n`;
}

function summary(results: readonly Explored[]): string {
  const sum = (of: (result: Explored) => number) => results.reduce((total, result) => total + of(result), 0);
  const violations = results.filter(({ violation }) => violation !== undefined).length;
  const complete = results.filter((result) => result.complete).length;
  const seconds = sum((result) => result.seconds);
  return `${results.length} scopes, ${complete} visited completely, ${sum((r) => r.states)} states, ${sum((r) => r.transitions)} steps, ${seconds.toFixed(0)} s, ${violations} violations\n`;
}
