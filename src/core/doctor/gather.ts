/** From files to facts: what each is, read by its own reader, and what was found inside others. */
import type { Facts, FlagFile } from './facts.ts';
import { readHaproxy } from './read/haproxy.ts';
import { missingIncludes } from './read/includes.ts';
import { readKeepalived } from './read/keepalived.ts';
import { readNginx } from './read/nginx.ts';
import { readPrograms } from './read/programs.ts';
import { type FileKind, recognise } from './read/recognise.ts';
import { readScript, type ShellCommand } from './read/script.ts';
import { readSysctl } from './read/sysctl.ts';
import type { Trouble } from './read/trouble.ts';
import { readUnit } from './read/unit.ts';
import { mapAt, readYaml, type YamlDocument } from './read/yaml.ts';
import { type TextFile, topOf } from './text-file.ts';

/** Facts while they are gathered. */
type Gathered = { -readonly [K in keyof Omit<Facts, 'programs' | 'passedOver'>]: Facts[K][number][] };

/** A file that the user named is told of when hale does not know what it is; one of a folder is passed over. */
export interface NamedFile {
  file: TextFile;
  isNamed: boolean;
}

export function gather(files: readonly NamedFile[], troubles: readonly Trouble[] = []): Facts {
  const facts: Gathered = {
    haproxy: [],
    keepalived: [],
    nginx: [],
    scripts: [],
    sysctl: [],
    units: [],
    documents: [],
    settings: [],
    troubles: [...troubles],
  };
  let passedOver = 0;
  for (const { file, isNamed } of files) {
    const isKnown = file.text.trim() === '' ? (isNamed || recognise(file) !== 'unknown') && takeEmpty(facts, file) : take(facts, file);
    if (isKnown) continue;
    if (!isNamed) passedOver++;
    else facts.troubles.push({ kind: 'unrecognised', at: topOf(file), detail: '' });
  }
  const given = files.map(({ file }) => file);
  facts.troubles.push(...missingIncludes(facts, given));
  return { ...facts, programs: readPrograms(facts), passedOver };
}

function takeEmpty(facts: Gathered, file: TextFile): boolean {
  facts.troubles.push({ kind: 'empty', at: topOf(file), detail: '' });
  return true;
}

/** Whether hale knows what the file is. */
function take(facts: Gathered, file: TextFile): boolean {
  const kind = recognise(file);
  if (kind === 'yaml') return takeYaml(facts, file);
  if (kind === 'template') facts.troubles.push({ kind, at: templateSpan(file), detail: '' });
  else if (kind === 'unknown' || kind === 'environment') return kind === 'environment' && takeScript(facts, file);
  else READERS[kind](facts, file);
  return true;
}

type PlainKind = Exclude<FileKind, 'yaml' | 'template' | 'unknown' | 'environment'>;

const READERS: Record<PlainKind, (facts: Gathered, file: TextFile) => void> = {
  haproxy: (facts, file) => {
    const { config, troubles } = readHaproxy(file);
    facts.haproxy.push(config);
    facts.troubles.push(...troubles);
  },
  keepalived: (facts, file) => {
    const { config, troubles } = readKeepalived(file);
    facts.keepalived.push(config);
    facts.troubles.push(...troubles);
  },
  nginx: (facts, file) => {
    const { config, troubles } = readNginx(file);
    facts.nginx.push(config);
    facts.troubles.push(...troubles);
  },
  script: (facts, file) => takeScript(facts, file),
  sysctl: (facts, file) => facts.sysctl.push(readSysctl(file)),
  unit: (facts, file) => facts.units.push(readUnit(file)),
};

/** Files of variables are read by a shell, or as by one. */
function takeScript(facts: Gathered, file: TextFile): boolean {
  const { script, troubles } = readScript(file);
  facts.scripts.push(script);
  facts.troubles.push(...troubles);
  for (const command of script.commands) takeWritten(facts, { file, command });
  return true;
}

/** Configuration that a script writes: of guides, it is often all that there is. */
function takeWritten(facts: Gathered, { file, command }: { file: TextFile; command: ShellCommand }): void {
  const { text, span, target, quoted } = command.heredoc ?? { text: '', span: undefined, target: undefined, quoted: true };
  // One level is enough, and keeps a hostile file from nesting thousands.
  if (span === undefined || text.trim() === '' || file.inside !== undefined) return;
  const kind = recognise({ path: target?.path ?? '', text });
  // What the shell puts in for a variable may be several lines of YAML.
  if (kind === 'unknown' || kind === 'template' || kind === 'environment' || (kind === 'yaml' && !quoted && text.includes('$'))) return;
  const lines = file.text.slice(0, span.start).split('\n').length - 1;
  const inner: TextFile = {
    path: file.path,
    text,
    inside: { lines, columns: 0, name: target?.path ?? '', isPart: target?.isAdded === true },
    ...(file.host !== undefined && { host: file.host }),
  };
  if (kind === 'yaml') takeYaml(facts, inner);
  else READERS[kind](facts, inner);
}

function templateSpan(file: TextFile) {
  const start = file.text.search(/\{[{%]/);
  return { file, start, end: start + 2 };
}

function takeYaml(facts: Gathered, file: TextFile): boolean {
  const { documents, troubles } = readYaml(file);
  facts.troubles.push(...troubles);
  let known = troubles.length > 0;
  for (const document of documents) {
    const settings = flagFileOf(document);
    if (settings !== undefined) facts.settings.push(settings);
    else if (document.apiVersion !== '' && document.kind !== '') facts.documents.push(...flattened(document));
    else continue;
    known = true;
    for (const inner of embedded(document)) take(facts, inner);
  }
  return known;
}

/** `kind: List` as the objects that are in it. */
function flattened(document: YamlDocument): YamlDocument[] {
  const items = (document.value as { items?: unknown }).items;
  if (!document.kind.endsWith('List') || !Array.isArray(items)) return [document];
  return items.map((value: unknown, i) => ({
    ...document,
    value,
    apiVersion: String(mapAt(value, [])['apiVersion'] ?? document.apiVersion),
    kind: String(mapAt(value, [])['kind'] ?? document.kind.replace(/List$/, '')),
    span: (path, what) => document.span(['items', i, ...path], what),
  }));
}

const K3S_KEYS = [
  'cluster-init',
  'tls-san',
  'server',
  'token',
  'token-file',
  'write-kubeconfig-mode',
  'node-taint',
  'disable',
  'flannel-backend',
  'etcd-snapshot-retention',
];
const ETCD_KEYS = [
  'initial-cluster',
  'listen-peer-urls',
  'listen-client-urls',
  'initial-advertise-peer-urls',
  'advertise-client-urls',
  'data-dir',
];

function flagFileOf(document: YamlDocument): FlagFile | undefined {
  const { path } = document.file;
  const keys = Object.keys(mapAt(document.value, []));
  if (document.apiVersion !== '' || document.kind !== '') return undefined;
  const named = /rancher\/(k3s|rke2)\/config\.yaml/.exec(path)?.[1] as 'k3s' | 'rke2' | undefined;
  if (named !== undefined) return { program: named, document };
  if (ETCD_KEYS.filter((key) => keys.includes(key)).length > 1) return { program: 'etcd', document };
  const isK3s = K3S_KEYS.filter((key) => keys.includes(key)).length > 1 || keys.includes('cluster-init');
  if (!isK3s) return undefined;
  return { program: /:9345\b/.test(document.file.text) || /rke2/.test(path) ? 'rke2' : 'k3s', document };
}

/** Files that a ConfigMap or Secret holds as text: haproxy.cfg, kubeadm's ClusterConfiguration, scripts. */
function embedded(document: YamlDocument): TextFile[] {
  if (document.kind !== 'ConfigMap') return [];
  return Object.entries(mapAt(document.value, ['data'])).flatMap(([name, text]) => {
    if (typeof text !== 'string' || !text.includes('\n')) return [];
    return [innerFile(document, { name, text })];
  });
}

function innerFile({ file, span }: YamlDocument, { name, text }: { name: string; text: string }): TextFile {
  const { start } = span(['data', name], 'value');
  // The lines of a block scalar follow its header, each indented alike.
  const before = file.text.slice(0, start).split('\n').length + (file.inside?.lines ?? 0);
  const first = file.text.slice(file.text.indexOf('\n', start) + 1);
  const columns = (/^ */.exec(first)?.[0].length ?? 0) + (file.inside?.columns ?? 0);
  return { path: file.path, text, inside: { lines: before, columns }, ...(file.host !== undefined && { host: file.host }) };
}
