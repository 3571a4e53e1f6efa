import type * as z from 'zod';
import { nearest } from './nearest.ts';
import { enumerate, type Finding, finding, type Path, pathText } from './problems.ts';
import { clusterJsonSchema, type JsonSchema } from './schema.ts';

type Issue = z.core.$ZodIssue;

/** Made once, when the first file is wrong: it takes as long as reading a file. */
let madeSchema: JsonSchema | undefined;

/** What zod found wrong with `value`, worded for the person who wrote the file. */
export function shapeFindings(value: unknown, zodIssues: readonly Issue[]): Finding[] {
  const issues = zodIssues.flatMap(insideUnion);
  const schema = (madeSchema ??= clusterJsonSchema());
  const unknown = issues.flatMap((issue) => (issue.code === 'unrecognized_keys' ? unknownKeys(issue, schema) : []));
  // A misspelt required key is one slip, not an unknown key and a missing one.
  const meant = new Set(unknown.map(({ path, meant: key }) => JSON.stringify([...path.slice(0, -1), key])));
  const others = issues
    .filter(({ code }) => code !== 'unrecognized_keys')
    .map((issue) => valueFinding(value, issue, schema))
    .filter(({ code, path }) => code !== 'cluster_missing_key' || !meant.has(JSON.stringify(path)));
  return [...unknown.map((one) => one.finding), ...others];
}

/** A list with a wrong item is a wrong item, not "neither a value nor a list". */
function insideUnion(issue: Issue): Issue[] {
  const inside = issue.code === 'invalid_union' ? issue.errors.find((branch) => branch.some(({ path }) => path.length > 0)) : undefined;
  return inside?.map((one) => ({ ...one, path: [...issue.path, ...one.path] })) ?? [issue];
}

function unknownKeys(issue: z.core.$ZodIssueUnrecognizedKeys, schema: JsonSchema) {
  const parent = issue.path as Path;
  const known = Object.keys(schemaAt(schema, parent)?.properties ?? {});
  return issue.keys.map((key) => {
    const path = [...parent, key];
    const meant = nearest(key, known);
    return { path, meant, finding: finding('cluster_unknown_key', { path, at: 'key' }, { key: pathText(path), nearest: meant, known }) };
  });
}

function valueFinding(root: unknown, issue: Issue, schema: JsonSchema): Finding {
  const path = issue.path as Path;
  const key = path.length === 0 ? 'the file' : pathText(path);
  const value = valueAt(root, path);
  const expects = expectation(issue, schema);
  if (value === undefined) {
    return finding('cluster_missing_key', { path, at: 'key' }, { key, expects });
  }
  if (value === null) {
    const last = path.at(-1);
    const optional = typeof last === 'string' && !schemaAt(schema, path.slice(0, -1))?.required?.includes(last);
    return finding('cluster_no_value', { path, at: 'key' }, { key, expects, optional });
  }
  return finding(
    'cluster_wrong_value',
    { path, at: 'value' },
    { key, found: describe(value), expects, mistaken: mistakenFor(issue, value) },
  );
}

/** What completes "Write …": the phrase of the value's kind, the alternatives, or the keys of a mapping. */
function expectation(issue: Issue, schema: JsonSchema): string {
  if (issue.code === 'invalid_value') return enumerate(issue.values.map(String), 'or');
  if (issue.code === 'invalid_type' && issue.expected === 'object') {
    const node = schemaAt(schema, issue.path as Path);
    if (node?.required !== undefined) return `a mapping with ${enumerate(node.required, 'and')}`;
    return `a mapping with any of ${enumerate(Object.keys(node?.properties ?? {}), 'and')}`;
  }
  return issue.message;
}

/** `port: "6443"` was mistaken for text, and `name: 123` for something other than text. */
function mistakenFor(issue: Issue, value: unknown): 'text' | 'other' | undefined {
  if (issue.code !== 'invalid_type') return undefined;
  if (issue.expected === 'string') return typeof value === 'number' || typeof value === 'boolean' ? 'other' : undefined;
  return issue.expected === 'number' && typeof value === 'string' && /^\d+$/.test(value) ? 'text' : undefined;
}

function schemaAt(schema: JsonSchema, path: Path): JsonSchema | undefined {
  let node: JsonSchema | undefined = schema;
  for (const step of path) node = (typeof step === 'number' ? node?.items : node?.properties?.[step]) as JsonSchema | undefined;
  return node;
}

function valueAt(root: unknown, path: Path): unknown {
  return path.reduce<unknown>((value, step) => (value as Record<string | number, unknown> | undefined)?.[step], root);
}

function describe(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : `a list of ${value.length}`;
  if (typeof value === 'object') return 'a mapping';
  if (typeof value !== 'string') return `the ${typeof value} ${String(value)}`;
  const shown = value.length > 60 ? `${value.slice(0, 57)}...` : value;
  return JSON.stringify(shown);
}
