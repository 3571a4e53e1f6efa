/* What stands for a node in the settings of `heal`: `{node}`, `{address}` and `{bmc}`. */

export interface PlaceholderValues {
  node: string;
  /** The node's InternalIP; empty when it has none. */
  address: string;
  /** The host's `bmc` in cluster.yaml; empty when it has none. */
  bmc: string;
}

export type Placeholder = keyof PlaceholderValues;

export type Filled = { ok: true; text: string } | { ok: false; reason: string };

/** Other words in braces are left alone: checks of cluster.yaml name them. */
const PLACEHOLDER = /\{([A-Za-z][A-Za-z0-9_-]*)\}/g;

/**
 * What a value must look like, so that it is one word to every program, never an option, and cannot lead a URL elsewhere. Names of Nodes are DNS
 * names (kubernetes.io, "Object Names and IDs"); the API may hold others all the same.
 */
const SHAPES: Readonly<Record<Placeholder, RegExp>> = {
  node: /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/,
  address: /^[0-9a-f:][0-9a-f:.]{1,44}$/i,
  bmc: /^[A-Za-z0-9[:][A-Za-z0-9.:[\]-]{0,252}$/,
};

/** The text with each placeholder replaced by its value; a reason where a value that it needs is missing or cannot be used. */
export function fillPlaceholders(template: string, values: PlaceholderValues): Filled {
  const reason = placeholdersIn(template)
    .filter(isKnown)
    .map((name) => valueProblem(name, values))
    .find((problem) => problem !== undefined);
  if (reason !== undefined) return { ok: false, reason };
  return { ok: true, text: template.replaceAll(PLACEHOLDER, (whole, name: string) => (isKnown(name) ? values[name] : whole)) };
}

/** Names in braces, in their order; some may be unknown. */
export function placeholdersIn(template: string): string[] {
  return [...template.matchAll(PLACEHOLDER)].map(([, name]) => name as string);
}

export function isKnown(name: string): name is Placeholder {
  return Object.hasOwn(SHAPES, name);
}

function valueProblem(name: Placeholder, values: PlaceholderValues): string | undefined {
  const value = values[name];
  if (SHAPES[name].test(value)) return undefined;
  if (value !== '') return `${JSON.stringify(value)} cannot stand for {${name}}: it is no ${MEANINGS[name]}`;
  if (name === 'node') return 'the node has no name';
  return name === 'bmc'
    ? `it is not known where the management controller of ${values.node} is: set \`bmc\` of that host in cluster.yaml`
    : `the node ${values.node} has no InternalIP to stand for {address}`;
}

const MEANINGS: Readonly<Record<Placeholder, string>> = {
  node: 'name that a Node can have',
  address: 'IP address',
  bmc: 'address or name',
};
