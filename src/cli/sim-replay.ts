import { readFileSync, writeFileSync } from 'node:fs';
import { Command } from 'commander';
import { EXIT_FINDING, HaleError } from '../base/error.ts';
import { runScenario } from '../sim/run.ts';
import { joinFile, parseScenario, splitFile } from '../sim/scenario-text.ts';

/** `hale sim replay`: one scenario file, run to the letter. */
export function simReplayCommand(): Command {
  return new Command('replay')
    .description('run a scenario file and print its trace; compares with the trace in the file, where there is one')
    .argument('<file>', 'scenario, and below a line --- the trace of its run')
    .option('--rewrite', 'write the trace of this run into the file')
    .option('--json', 'print one JSON document')
    .action((file: string, options: { rewrite?: true; json?: true }) => {
      const text = read(file);
      const scenario = parseScenario(text, file);
      const trace: string[] = [];
      const { violations } = runScenario(scenario, (line) => trace.push(line));
      const recorded = splitFile(text).trace;
      const differs = recorded !== undefined && !options.rewrite && recorded.trimEnd() !== trace.join('\n');
      if (options.rewrite) writeFileSync(file, joinFile(scenario, trace));
      if (options.json) process.stdout.write(`${JSON.stringify({ file, violations, differs, trace })}\n`);
      else process.stdout.write(`${trace.join('\n')}\n`);
      if (differs) process.stderr.write(`${file}: the trace differs from the one in the file; keep the new one with --rewrite\n`);
      if (violations.length > 0 || differs) process.exitCode = EXIT_FINDING;
    });
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new HaleError({
      code: 'scenario_unreadable',
      kind: 'usage',
      message: `${file}: cannot be read: ${(error as Error).message}`,
      remedy: 'Scenarios to start from are in src/core/lease/scenarios.',
      cause: error,
    });
  }
}
