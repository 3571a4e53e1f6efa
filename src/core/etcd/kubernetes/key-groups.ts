import { utf8 } from '../../../base/utf8.ts';

/** Whose keys are counted together: in Kubernetes those of one resource. */
export interface KeyGroup {
  /** `/registry` for what Kubernetes writes by default (`--etcd-prefix`); empty for keys that do not begin with `/`. */
  root: string;
  /** As the API names it, with its group where that is in the key: `pods`, `certificates.cert-manager.io`. Elsewhere the folder below the root; empty directly in it. */
  resource: string;
}

/** What stands in keys where the API has another name (k8s.io/kubernetes, pkg/registry). */
const RENAMED: Record<string, string> = {
  minions: 'nodes',
  ingress: 'ingresses',
  'services/specs': 'services',
  'services/endpoints': 'endpoints',
};

const SLASH = 0x2f;
const DOT = 0x2e;
/** So that keys of no system cannot fill the memory with groups; those beyond it share one. */
const MAX_GROUPS = 4096;
const OTHERS: KeyGroup = { root: '', resource: '(others)' };

/** Sorts keys into groups by their first folders. */
export class KeyGroups {
  /** How many folders the root has. */
  readonly #rootDepth: number;
  readonly #prefix: string | undefined;
  readonly #byFolder = new Map<string, number>();
  readonly #ids = new Map<string, number>();
  readonly groups: KeyGroup[] = [];

  /** `prefix`: the root of Kubernetes when it is more than one folder. */
  constructor(prefix?: string) {
    this.#prefix = prefix?.replace(/\/+$/, '');
    this.#rootDepth = this.#prefix === undefined ? 1 : this.#prefix.split('/').length - 1;
  }

  /** The number of the group that the key, a part of an array, belongs to. */
  groupOf(bytes: Uint8Array, at: number, length: number): number {
    const end = folderEnd(bytes, { at, length, rootDepth: this.#rootDepth });
    // Not text yet: a Map takes bytes only so, and there are millions of keys in a few folders.
    let folder = '';
    for (let i = at; i < end; i++) folder += String.fromCharCode(bytes[i] as number);
    const known = this.#byFolder.get(folder);
    if (known !== undefined) return known;
    const id = this.#idOf(parseFolder(utf8(bytes.subarray(at, end)), this.#prefix));
    if (this.#byFolder.size < MAX_GROUPS) this.#byFolder.set(folder, id);
    return id;
  }

  #idOf(group: KeyGroup): number {
    const name = `${group.root}\0${group.resource}`;
    const known = this.#ids.get(name);
    if (known !== undefined) return known;
    if (this.groups.length >= MAX_GROUPS && group !== OTHERS) return this.#idOf(OTHERS);
    this.#ids.set(name, this.groups.length);
    this.groups.push(group);
    return this.groups.length - 1;
  }
}

/** Where the folders end that say the group: the root and one more, or two where the first has a dot or is `services`. The last part of a key is its name. */
function folderEnd(bytes: Uint8Array, { at, length, rootDepth }: { at: number; length: number; rootDepth: number }): number {
  if (bytes[at] !== SLASH) return at;
  const end = at + Math.min(length, 512);
  let folders = rootDepth + 1;
  let cut = at;
  let start = at + 1;
  let hasDot = false;
  for (let i = at + 1, depth = 0; i < end; i++) {
    if (bytes[i] === DOT) hasDot = true;
    if (bytes[i] !== SLASH) continue;
    depth++;
    if (depth === rootDepth + 1 && (hasDot || isServices(bytes, start, i))) folders++;
    cut = i;
    if (depth === folders) break;
    start = i + 1;
    hasDot = false;
  }
  return cut;
}

const SERVICES = [...'services'].map((letter) => letter.charCodeAt(0));

function isServices(bytes: Uint8Array, from: number, to: number): boolean {
  return to - from === SERVICES.length && SERVICES.every((letter, i) => bytes[from + i] === letter);
}

function parseFolder(folder: string, prefix: string | undefined): KeyGroup {
  const depth = prefix !== undefined && `${folder}/`.startsWith(`${prefix}/`) ? prefix.split('/').length : 2;
  const parts = folder.split('/');
  const root = parts.slice(0, depth).join('/');
  const [first = '', second] = parts.slice(depth);
  if (second === undefined) return { root, resource: RENAMED[first] ?? first };
  if (first.includes('.')) return { root, resource: `${second}.${first}` };
  return { root, resource: RENAMED[`${first}/${second}`] ?? `${first}/${second}` };
}

/** Resources that every Kubernetes has, and that few others call so. */
const TELLING = ['ranges', 'masterleases', 'namespaces', 'serviceaccounts', 'apiservices.apiregistration.k8s.io'];

/** The roots that Kubernetes seems to have written. */
export function kubernetesRoots(groups: readonly KeyGroup[], prefix = '/registry'): string[] {
  const telling = groups.filter(({ root, resource }) => root === prefix || (root !== '' && TELLING.includes(resource)));
  return [...new Set(telling.map(({ root }) => root))];
}
