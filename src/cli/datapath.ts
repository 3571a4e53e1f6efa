import { styleText } from 'node:util';
import { Command } from 'commander';
import { explainHost } from '../agent/explain.ts';
import { findSelf } from '../agent/self.ts';
import { EXIT_FINDING } from '../base/error.ts';
import type { Explanation } from '../ports/datapath.ts';
import { DEFAULT_CONFIG, readClusterFile } from './read-cluster.ts';
import { table } from './table.ts';

/** `hale datapath explain`: what carries connections on this host, as the kernel itself has it. */
export function datapathCommand(): Command {
  const explain = new Command('explain')
    .description(
      'print in words, with counters, what is in the kernel of this host now, and what stands in its way; needs root, but no agent',
    )
    .option('--config <file>', 'cluster description', DEFAULT_CONFIG)
    .option('--json', 'print one JSON document')
    .action(async (options: { config: string; json?: true }) => {
      const cluster = readClusterFile(options.config);
      const explanations = await explainHost({ cluster, self: findSelf(cluster, options.config) });
      process.stdout.write(options.json ? `${JSON.stringify({ parts: explanations }, null, 2)}\n` : render(explanations));
      if (explanations.some(({ problems }) => problems.length > 0)) process.exitCode = EXIT_FINDING;
    });
  return new Command('datapath').description('look at what carries connections to the API servers').addCommand(explain);
}

function render(explanations: readonly Explanation[]): string {
  const width = Math.max(...explanations.map(({ part }) => part.length)) + 2;
  const lines = explanations.flatMap(({ part, says }) => says.map((sentence, i) => `${(i === 0 ? part : '').padEnd(width)}${sentence}\n`));
  const counted = explanations.flatMap(({ part, counters }) =>
    counters.map(({ what, packets, bytes, connections }) => [
      part,
      what,
      ...[connections, packets, bytes].map((count) => (count === null ? '-' : String(count))),
    ]),
  );
  const counters = counted.length === 0 ? '' : `\n${table(['PART', 'WHAT', 'CONNECTIONS', 'PACKETS', 'BYTES'], counted)}`;
  return `${lines.join('')}${counters}\n${renderProblems(explanations)}`;
}

function renderProblems(explanations: readonly Explanation[]): string {
  const problems = explanations.flatMap(({ problems: found }) => found);
  if (problems.length === 0) return 'nothing stands in the way\n';
  return problems
    .map(({ what, fix }) => `${styleText('red', 'problem')}  ${what}\n${fix === null ? '' : `         mend it: ${fix}\n`}`)
    .join('');
}
