/** Configurations of others, rewritten, with what is wrong in them as was judged by hand before any rule was looked at: read, examined and compared. */
import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { examine } from '../../src/core/doctor/examine.ts';
import type { Finding } from '../../src/core/doctor/finding.ts';
import { gather } from '../../src/core/doctor/gather.ts';
import { recognise } from '../../src/core/doctor/read/recognise.ts';
import { rules } from '../../src/core/doctor/rules/index.ts';
import { readFiles } from '../../src/drivers/doctor/files.ts';

const place = z.strictObject({ file: z.string(), line: z.int().positive() });

const judged = z.strictObject({
  ...place.shape,
  severity: z.enum(['error', 'warning', 'info']),
  /** Where the problem is known from, in a word. */
  known: z.string().optional(),
  what: z.string(),
  /** Where it stands once more. */
  alsoAt: z.array(place).optional(),
  /** Seen only when a rule pointed to it, and right. */
  judgedAfter: z.literal(true).optional(),
  /** Of the rules that find it; null when there is none. */
  id: z.union([z.string(), z.array(z.string()), z.null()]).optional(),
  /** Why there is none, or none that finds it here. */
  reason: z.string().optional(),
  /** Where the rule points to, when that is another line of the same matter. */
  foundAt: z.array(place).optional(),
});

const schema = z.strictObject({
  source: z.string(),
  kind: z.enum(['found', 'known-good']),
  assumes: z.string().optional(),
  /** Collected and judged when the rules stood: no rule was changed for it. */
  heldOut: z.literal(true).optional(),
  findings: z.array(judged),
});

export type Place = z.infer<typeof place>;
export type Judged = z.infer<typeof judged>;

export interface DoctorCase extends z.infer<typeof schema> {
  name: string;
  /** Of each file by its path in the case's folder. */
  texts: ReadonlyMap<string, string>;
  found: readonly Finding[];
  /** Found, and in no judgement. */
  unexpected: readonly Finding[];
}

/** All cases under `folder`, each examined with all rules. */
export function readDoctorCases(folder: string): DoctorCase[] {
  return readdirSync(folder).map((name) => readDoctorCase(join(folder, name), name));
}

function readDoctorCase(folder: string, name: string): DoctorCase {
  const judgement = schema.parse(parse(readFileSync(join(folder, 'case.yaml'), 'utf8')));
  const paths = readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name !== 'case.yaml')
    .map((entry) => join(entry.parentPath, entry.name));
  const { files, troubles } = readFiles(paths.toSorted());
  const found = examine(gather(files, troubles), rules).map((finding) => ({ ...finding, file: relative(folder, finding.file) }));
  const unexpected = found.filter((finding) => !judgement.findings.some((one) => isOf(finding, one)));
  return { ...judgement, name, texts: new Map(files.map(({ file }) => [relative(folder, file.path), file.text])), found, unexpected };
}

/** Every place at which a rule may point to it. */
const placesOf = ({ file, line, alsoAt = [], foundAt = [] }: Judged): Place[] => [{ file, line }, ...alsoAt, ...foundAt];

export const idsOf = ({ id }: Judged): string[] => (typeof id === 'string' ? [id] : (id ?? []));

export function isOf(finding: Finding, one: Judged): boolean {
  return idsOf(one).includes(finding.id) && placesOf(one).some(({ file, line }) => file === finding.file && line === finding.line);
}

/** Found at its line, and wherever it stands once more; or where the rule points to instead. */
export function isFound(one: Judged, found: readonly Finding[]): boolean {
  const places = one.foundAt ?? [one, ...(one.alsoAt ?? [])];
  return places.every(({ file, line }) =>
    found.some((finding) => idsOf(one).includes(finding.id) && finding.file === file && finding.line === line),
  );
}

const YAML_KINDS: readonly (readonly [string, RegExp])[] = [
  ['kubeadm, kubelet, kube-proxy', /^apiVersion: (?:kubeadm|kubelet\.config|kubeproxy\.config)\.k8s\.io\//m],
  ['kube-vip', /kube-vip/],
  ['k3s, RKE2', /^(?:cluster-init|token|tls-san|server):/m],
  ['etcd', /^initial-cluster:/m],
];

/** What kind of file it is, for the tables. */
export function kindOf({ texts }: DoctorCase, path: string): string {
  const text = texts.get(path) ?? '';
  const kind = recognise({ path, text });
  if (kind !== 'yaml') return kind;
  return YAML_KINDS.find(([, pattern]) => pattern.test(text))?.[0] ?? 'manifest';
}
