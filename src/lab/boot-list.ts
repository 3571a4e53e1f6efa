import { readJson, writeJson } from './folder.ts';

/** A daemon of a host that starts when that boots. */
export interface BootEntry {
  name: string;
  argv: readonly string[];
  env?: Readonly<Record<string, string>>;
  /** Not until somebody lets it. */
  held?: true;
}

export interface BootList {
  /** In the order in which they start, those that are held among them. */
  all(): readonly BootEntry[];
  /** Adds it at the end, or replaces it there. */
  put(entry: BootEntry): void;
  hold(name: string): void;
  free(name: string): void;
}

/** The daemons of a host, in a file. */
export function openBootList(file: string): BootList {
  const all = () => readJson<BootEntry[]>(file) ?? [];
  const change = (name: string, into: (entry: BootEntry) => BootEntry) =>
    writeJson(
      file,
      all().map((entry) => (entry.name === name ? into(entry) : entry)),
    );
  return {
    all,
    put: (entry) => writeJson(file, [...all().filter(({ name }) => name !== entry.name), entry]),
    hold: (name) => change(name, (entry) => ({ ...entry, held: true })),
    free: (name) => change(name, ({ held: _held, ...entry }) => entry),
  };
}
