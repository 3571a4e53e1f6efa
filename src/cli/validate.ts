import { Command } from 'commander';
import { evenHostsNote } from '../core/cluster/checks.ts';
import type { Cluster } from '../core/cluster/schema.ts';
import { DEFAULT_CONFIG, readClusterFile } from './read-cluster.ts';

/** `hale validate`: all problems of a cluster description, or one line that says it is good. */
export function validateCommand(): Command {
  return new Command('validate')
    .description('check a cluster description and name every problem with its line and the way out')
    .argument('[file]', 'cluster description', DEFAULT_CONFIG)
    .option('--json', 'print the description with every default filled in')
    .action((file: string, options: { json?: true }) => {
      const cluster = readClusterFile(file);
      if (options.json) process.stdout.write(`${JSON.stringify(cluster, null, 2)}\n`);
      else process.stdout.write(`${goodNews(file, cluster)}\n`);
    });
}

function goodNews(file: string, cluster: Cluster): string {
  const { controlPlane, endpoint } = cluster;
  const note = evenHostsNote(cluster);
  const good = `${file}: good: ${controlPlane.hosts.length} control-plane hosts, address ${endpoint.addresses.join(' and ')}`;
  return note === undefined ? good : `${good}\n${file}: note: ${note}`;
}
