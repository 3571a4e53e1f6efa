import type { Metrics, NodeMetrics } from '../src/agent/metrics.ts';
import { cell } from './markdown.ts';

/** Fields that every metric of the library has and its types leave out. */
interface MetricFacts {
  name: string;
  type: string;
  labelNames: readonly string[];
  help: string;
}

/** The page docs/reference/metrics.md, made from the metrics of the agent, with those that a node's has too. */
export function renderMetrics({ registry, ...metrics }: Metrics, node: NodeMetrics): string {
  const ofNode = (Object.values({ ...node, registry: {} }) as unknown as Partial<MetricFacts>[])
    .flatMap(({ name }) => (name === undefined ? [] : [`\`${name}\``]))
    .toSorted();
  const rows = (Object.values(metrics) as unknown as MetricFacts[])
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, type, labelNames, help }) => {
      const labels = labelNames.map((label) => `\`${label}\``).join(', ');
      return `| \`${name}\` | ${type} | ${labels} | ${cell(help)} |\n`;
    });
  return `<!-- Made by scripts/reference.ts from src/agent/metrics.ts. Change the metric there and run the script. -->

# Metrics

The agent serves these at \`http://ADDRESS:PORT/metrics\` (\`agent.metricsAddress\` in [cluster.yaml](cluster.md)), in the Prometheus text format
(\`${registry.contentType}\`). The agent of a node (\`hale agent --node\`) has only ${ofNode.join(', ')}.

| Metric | Type | Labels | Meaning |
| --- | --- | --- | --- |
${rows.join('')}`;
}
