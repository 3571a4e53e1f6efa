import { Command, InvalidArgumentError } from 'commander';
import { EXIT_FINDING } from '../base/error.ts';
import { runSeed } from '../sim/run.ts';

function wholeNumber(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('expected a whole number.');
  return Number(text);
}

/** `hale sim`: the production election in a simulated world of faults, one seed after the other; one seed alone prints its trace. */
export function simCommand(): Command {
  return new Command('sim')
    .description('run the election through seeded, simulated faults and check that at most one host ever answers')
    .option('--seed <n>', 'first seed', wholeNumber, 1)
    .option('--count <n>', 'how many seeds', wholeNumber, 1)
    .option('--json', 'print one JSON document')
    .action((options: { seed: number; count: number; json?: true }) => {
      const onTrace = options.count === 1 && !options.json ? (line: string) => process.stdout.write(`${line}\n`) : undefined;
      const failed: { seed: number; violations: string[]; replay: string }[] = [];
      let simulatedMs = 0;
      for (let seed = options.seed; seed < options.seed + options.count; seed++) {
        const result = runSeed({ seed, ...(onTrace && { onTrace }) });
        simulatedMs += result.simulatedMs;
        if (result.violations.length > 0) failed.push({ seed, violations: result.violations, replay: `./hale sim --seed ${seed}` });
      }
      const summary = { seeds: options.count, simulatedMs: Math.round(simulatedMs), failed };
      if (options.json) process.stdout.write(`${JSON.stringify(summary)}\n`);
      else process.stdout.write(report(summary));
      if (failed.length > 0) process.exitCode = EXIT_FINDING;
    });
}

function report(summary: { seeds: number; simulatedMs: number; failed: { replay: string; violations: string[] }[] }): string {
  const lines = summary.failed.map(({ replay, violations }) => `${violations[0]}; replay with: ${replay}`);
  lines.push(`${summary.seeds} seeds, ${(summary.simulatedMs / 1000).toFixed(0)} s simulated, ${summary.failed.length} with violations`);
  return `${lines.join('\n')}\n`;
}
