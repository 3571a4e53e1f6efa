/** Keys counted by the folders that their slashes make. */

export interface KeyFolder {
  /** Without slashes; empty at the top. */
  name: string;
  /** In it and below. */
  keys: number;
  /** Of keys and values. */
  bytes: number;
  folders: KeyFolder[];
  /** Folders that are not listed, smallest first to go; their keys are in the sums above. */
  more: { folders: number; keys: number; bytes: number };
}

interface Node {
  keys: number;
  bytes: number;
  below: Map<string, Node>;
}

/** So that a store with a folder for each key cannot fill the memory: what comes after is counted above. */
const MAX_FOLDERS = 100_000;

export class KeyTree {
  readonly #depth: number;
  readonly #base: string;
  readonly #top: Node = { keys: 0, bytes: 0, below: new Map() };
  #folders = 0;
  /** Whether folders were left out because there are too many. */
  isCut = false;

  /** `base`: the folder that all keys are in, with its slash; folders are told apart to `depth` below it. */
  constructor({ base, depth }: { base: string; depth: number }) {
    this.#base = base;
    this.#depth = depth;
  }

  add(key: string, bytes: number): void {
    const parts = key.slice(this.#base.length).split('/', this.#depth + 2);
    // The last part is a name and no folder; a slash at the front makes a first part that is empty.
    const folders = parts.slice(parts[0] === '' ? 1 : 0, -1).slice(0, this.#depth);
    let node: Node | undefined = this.#top;
    for (let i = 0; node !== undefined; i++) {
      node.keys++;
      node.bytes += bytes;
      const folder = folders[i];
      node = folder === undefined ? undefined : this.#below(node, folder);
    }
  }

  #below(node: Node, name: string): Node | undefined {
    const known = node.below.get(name);
    if (known !== undefined) return known;
    if (this.#folders === MAX_FOLDERS) {
      this.isCut = true;
      return undefined;
    }
    this.#folders++;
    const made: Node = { keys: 0, bytes: 0, below: new Map() };
    node.below.set(name, made);
    return made;
  }

  /** The folders, in each the `top` with the most first. */
  sorted({ by, top }: { by: 'bytes' | 'keys'; top: number }): KeyFolder {
    const folderOf = (name: string, { keys, bytes, below }: Node): KeyFolder => {
      const ordered = [...below].toSorted(([a, one], [b, other]) => other[by] - one[by] || (a < b ? -1 : 1));
      const rest = ordered.slice(top).map(([, node]) => node);
      const sum = (of: 'keys' | 'bytes') => rest.reduce((total, node) => total + node[of], 0);
      const more = { folders: rest.length, keys: sum('keys'), bytes: sum('bytes') };
      return { name, keys, bytes, folders: ordered.slice(0, top).map(([child, node]) => folderOf(child, node)), more };
    };
    return folderOf('', this.#top);
  }
}
