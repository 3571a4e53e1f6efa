import { clusterFindings } from './checks.ts';
import { type Finding, finding, type Problem, pathText } from './problems.ts';
import { type Cluster, clusterSchema } from './schema.ts';
import { shapeFindings } from './shape.ts';
import { readSource, type Source } from './source.ts';

/**
 * Reads a cluster.yaml. `file` is only what problems call it. All problems come at once, in the order of the
 * file; rules that span several keys (checks.ts) are looked at when every key and value by itself is right.
 */
export function readCluster(text: string, file: string): { ok: true; cluster: Cluster } | { ok: false; problems: Problem[] } {
  const source = readSource(text);
  const { cluster, findings } = interpret(source);
  if (cluster !== undefined && findings.length === 0) return { ok: true, cluster };
  const problems = findings.map((one) => problemOf(one, source, file));
  return { ok: false, problems: problems.sort((a, b) => a.line - b.line || a.column - b.column) };
}

function interpret(source: Source): { cluster?: Cluster; findings: Finding[] } {
  const unread = source.findings.some(({ code }) => code === 'cluster_yaml_syntax' || code === 'cluster_yaml_alias');
  if (unread) return { findings: source.findings };
  if (source.value === undefined || source.value === null) {
    return { findings: [...source.findings, finding('cluster_empty', { path: [], at: 'value' })] };
  }
  const result = clusterSchema.safeParse(source.value);
  if (!result.success) return { findings: [...source.findings, ...shapeFindings(source.value, result.error.issues)] };
  return { cluster: result.data, findings: [...source.findings, ...clusterFindings(result.data, source.has)] };
}

function problemOf({ code, path, at, message, remedy }: Finding, source: Source, file: string): Problem {
  // The only address of a host is at `address` in the file, though the checks count it as the first of a list.
  const written = typeof path.at(-1) === 'number' && !source.has(path) ? path.slice(0, -1) : path;
  return { code, file, ...source.locate({ path: written, at }), path: pathText(written), message, remedy };
}
