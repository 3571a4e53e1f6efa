import { Command } from 'commander';
import { clusterJsonSchema } from '../core/cluster/schema.ts';

/** `hale schema`: the JSON Schema of cluster.yaml on stdout, for editors. */
export function schemaCommand(): Command {
  return new Command('schema').description('print the JSON Schema of cluster.yaml, for completion and checks in editors').action(() => {
    process.stdout.write(`${JSON.stringify(clusterJsonSchema(), null, 2)}\n`);
  });
}
