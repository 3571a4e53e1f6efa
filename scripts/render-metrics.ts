import type { HealMetrics } from '../src/agent/heal/metrics.ts';
import type { Metrics, NodeMetrics } from '../src/agent/metrics.ts';
import { cell } from './markdown.ts';

/** Fields that every metric of the library has and its types leave out. */
interface MetricFacts {
  name: string;
  type: string;
  labelNames: readonly string[];
  help: string;
}

/** The page docs/reference/metrics.md, made from the metrics of the agent, with those that a node's has too, and of the controller that heals nodes. */
export function renderMetrics({ agent, node, heal }: { agent: Metrics; node: NodeMetrics; heal: HealMetrics }): string {
  const ofNode = factsOf(node)
    .map(({ name }) => `\`${name}\``)
    .toSorted();
  return `<!-- Made by scripts/reference.ts from src/agent/metrics.ts and src/agent/heal/metrics.ts. Change the metric there and run the script. -->

# Metrics

The agent serves these at \`http://ADDRESS:PORT/metrics\` (\`agent.metricsAddress\` in [cluster.yaml](cluster.md)), in the Prometheus text format
(\`${agent.registry.contentType}\`). The agent of a node (\`hale agent --node\`) has only ${ofNode.join(', ')}.

${tableOf(agent)}
## hale heal run

With \`--metrics-address\`, or \`heal.metricsAddress\`, the controller that heals nodes serves its own; all but \`hale_heal_active\` and those of the process say something only while it is the active one.

${tableOf(heal)}`;
}

function factsOf(metrics: object): MetricFacts[] {
  return Object.entries(metrics).flatMap(([key, metric]) => (key === 'registry' ? [] : [metric as unknown as MetricFacts]));
}

function tableOf(metrics: object): string {
  const rows = factsOf(metrics)
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, type, labelNames, help }) => {
      const labels = labelNames.map((label) => `\`${label}\``).join(', ');
      return `| \`${name}\` | ${type} | ${labels} | ${cell(help)} |\n`;
    });
  return `| Metric | Type | Labels | Meaning |\n| --- | --- | --- | --- |\n${rows.join('')}`;
}
