import type { Cluster } from '../cluster/schema.ts';
import { type ClusterFile, MOMENTS, type Step } from './part.ts';

const HEADINGS: Record<Step['moment'], string> = {
  prepare: 'Before anything starts',
  first: 'The first control-plane host',
  join: 'The other control-plane hosts, one after the other',
  workers: 'Worker nodes',
  finish: 'At the end',
};

/** STEPS.md: what to do with the files, in order. */
export function stepsFile({ name, distribution, endpoint }: Cluster, steps: readonly Step[]): ClusterFile {
  const chapters = MOMENTS.flatMap((moment) => {
    const here = steps.filter((step) => step.moment === moment);
    return here.length === 0 ? [] : [`## ${HEADINGS[moment]}\n\n${here.map(item).join('\n')}`];
  });
  const head = `# ${name}: ${distribution}, endpoint by ${endpoint.provider}\n\nMade by hale from cluster.yaml. Each folder beside this one holds the files of one host at their absolute paths; manifest.json lists owner and mode of each.\n`;
  return { path: 'STEPS.md', text: [head, ...chapters].join('\n'), mode: 0o644 };
}

function item({ where, text, commands }: Step): string {
  const lines = commands.map((command) => `  ${command}\n`).join('');
  return `- **${where}**: ${text}\n${commands.length === 0 ? '' : `\n  \`\`\`sh\n${lines}  \`\`\`\n`}`;
}
