/**
 * The one reader of kubeconfigs (kubernetes.io, "kubeconfig v1"): what the current context leads to, and where it stands. Files that it names are the
 * caller's to read, and so is the judgement: `hale certificates` shows whatever is there, a client of the API refuses what it would not honour.
 */
import { type Document, LineCounter, parseDocument, visit } from 'yaml';
import { pathText } from '../cluster/problems.ts';

/** What a kubeconfig holds in base64, or names the file of; the first counts where both are there (client-go, clientcmd). */
export type Source = { at: string; base64: string } | { at: string; file: string };

export interface Kubeconfig {
  server: { at: string; url: string };
  /** Name or address that the server's certificate must have, when not that of the URL. */
  serverName: string | undefined;
  authority: Source | undefined;
  certificate: Source | undefined;
  key: Source | undefined;
  token: { at: string; text: string } | { at: string; file: string } | undefined;
  cluster: Section;
  user: Section;
}

/** A mapping, and where it stands: `users[0].user`. */
export interface Section {
  value: Mapping;
  at: string;
  path: (string | number)[];
}

type Mapping = Readonly<Record<string, unknown>>;

/** Why it cannot be read. Never repeats what stands in it, which may be secret. */
export interface KubeconfigFault {
  /** A key, or a line and column. */
  at: string;
  /** Goes on after `at`. */
  problem: string;
  remedy: string;
}

type Failed = { ok: false; fault: KubeconfigFault };

export function parseKubeconfig(yaml: string): { ok: true; kubeconfig: Kubeconfig } | Failed {
  return withFaults(() => {
    const { cluster, user } = sectionsOf(documentOf(yaml));
    return { ok: true, kubeconfig: kubeconfigOf(cluster, user) };
  });
}

/** For changes: the document, in which the two sections stand. */
export function openKubeconfig(yaml: string): { ok: true; document: Document; cluster: Section; user: Section } | Failed {
  return withFaults(() => {
    const document = documentOf(yaml);
    const sections = sectionsOf(document);
    kubeconfigOf(sections.cluster, sections.user);
    return { ok: true, document, ...sections };
  });
}

class Fault extends Error {
  readonly fault: KubeconfigFault;

  constructor(fault: KubeconfigFault) {
    super(fault.problem);
    this.fault = fault;
  }
}

function withFaults<T>(read: () => T): T | Failed {
  try {
    return read();
  } catch (error) {
    if (error instanceof Fault) return { ok: false, fault: error.fault };
    throw error;
  }
}

/** The parser's own words may quote the file, so only its code is told. */
function documentOf(yaml: string): Document {
  const lines = new LineCounter();
  // The library's own warnings repeat what stands there.
  const document = parseDocument(yaml, { version: '1.2', lineCounter: lines, prettyErrors: false, logLevel: 'error' });
  const [broken] = document.errors;
  if (broken !== undefined) {
    const { line, col } = lines.linePos(broken.pos[0]);
    throw new Fault({ at: `line ${line}, column ${col}`, problem: `is not YAML (${broken.code})`, remedy: 'mend it, or make it anew' });
  }
  // A few aliases of aliases are more than a memory holds, and no program writes any.
  visit(document, {
    Alias() {
      throw new Fault({ at: 'the file', problem: 'has aliases', remedy: 'write every value out in its own place' });
    },
  });
  return document;
}

function sectionsOf(document: Document): { cluster: Section; user: Section } {
  const value: unknown = document.toJS();
  if (!isMapping(value)) throw new Fault({ at: 'the file', problem: 'holds no mapping', remedy: 'is it a kubeconfig?' });
  const root = { value, at: '', path: [] };
  const context = named(root, { list: 'contexts', by: root, key: 'current-context', item: 'context' });
  return {
    cluster: named(root, { list: 'clusters', by: context, key: 'cluster', item: 'cluster' }),
    user: named(root, { list: 'users', by: context, key: 'user', item: 'user' }),
  };
}

/** The item of a list whose name stands at `key` of `by`. */
function named(root: Section, { list, by, key, item }: { list: string; by: Section; key: string; item: string }): Section {
  const name = required(by, key);
  const entries = root.value[list];
  const index = Array.isArray(entries) ? entries.findIndex((entry) => isMapping(entry) && entry['name'] === name) : -1;
  const value = index < 0 ? undefined : (entries as Mapping[])[index]?.[item];
  const path = [list, index, item];
  if (isMapping(value)) return { value, path, at: pathText(path) };
  const remedy = 'add it, or choose another context: kubectl config get-contexts';
  throw new Fault({ at: list, problem: `has no ${item} with the name that stands at ${placeOf(by, key)}`, remedy });
}

function kubeconfigOf(cluster: Section, user: Section): Kubeconfig {
  const tokenFile = textAt(user, 'tokenFile');
  const token = textAt(user, 'token');
  return {
    server: { at: placeOf(cluster, 'server'), url: required(cluster, 'server') },
    serverName: textAt(cluster, 'tls-server-name'),
    authority: sourceOf(cluster, 'certificate-authority'),
    certificate: sourceOf(user, 'client-certificate'),
    key: sourceOf(user, 'client-key'),
    // Here alone the file goes first, as in client-go.
    token:
      tokenFile !== undefined
        ? { at: placeOf(user, 'tokenFile'), file: tokenFile }
        : token === undefined
          ? undefined
          : { at: placeOf(user, 'token'), text: token },
    cluster,
    user,
  };
}

/** `KEY-data` (base64), or else the file that `KEY` names. */
function sourceOf(section: Section, key: string): Source | undefined {
  const base64 = textAt(section, `${key}-data`);
  if (base64 !== undefined) return { at: placeOf(section, `${key}-data`), base64 };
  const file = textAt(section, key);
  return file === undefined ? undefined : { at: placeOf(section, key), file };
}

function required(section: Section, key: string): string {
  const text = textAt(section, key);
  if (text !== undefined) return text;
  throw new Fault({ at: placeOf(section, key), problem: 'is not set', remedy: 'set it; kubectl config view shows what is there' });
}

/** Empty is as good as absent, as in client-go. */
function textAt(section: Section, key: string): string | undefined {
  const found = section.value[key];
  if (found === undefined || found === null || found === '') return undefined;
  if (typeof found === 'string') return found;
  throw new Fault({ at: placeOf(section, key), problem: 'is not a text', remedy: 'write one, in quotes' });
}

function placeOf({ path }: Section, key: string): string {
  return pathText([...path, key]);
}

function isMapping(value: unknown): value is Mapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
