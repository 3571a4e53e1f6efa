import type { Metrics } from '../src/agent/metrics.ts';
import { cell } from './markdown.ts';

/** Fields that every metric of the library has and its types leave out. */
interface MetricFacts {
  name: string;
  type: string;
  labelNames: readonly string[];
  help: string;
}

/** The page docs/reference/metrics.md, made from the metrics of the agent. */
export function renderMetrics({ registry, ...metrics }: Metrics): string {
  const rows = (Object.values(metrics) as unknown as MetricFacts[])
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, type, labelNames, help }) => {
      const labels = labelNames.map((label) => `\`${label}\``).join(', ');
      return `| \`${name}\` | ${type} | ${labels} | ${cell(help)} |\n`;
    });
  return `<!-- Made by scripts/reference.ts from src/agent/metrics.ts. Change the metric there and run the script. -->

# Metrics

The agent serves these at \`http://ADDRESS:PORT/metrics\` (\`agent.metricsAddress\` in [cluster.yaml](cluster.md)), in the Prometheus text format
(\`${registry.contentType}\`).

| Metric | Type | Labels | Meaning |
| --- | --- | --- | --- |
${rows.join('')}`;
}
