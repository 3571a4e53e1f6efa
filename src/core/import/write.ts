/** The description as cluster.yaml: each value with where it was found, and what is missing as a comment where it belongs. */
import { stringify } from 'yaml';
import { clusterSchema } from '../cluster/schema.ts';
import type { Value } from './claim.ts';
import type { Found } from './decide.ts';
import { type DescribedAddress, type DescribedHost, type Description, HOST_LISTS, type HostList, KEYS, TO_LOOK_AT } from './description.ts';
import { placesText } from './places.ts';

const HEAD = `# Made by hale import. Each value says where it was found. Look at what is marked "guess" or TODO.
apiVersion: hale.dev/v1alpha1
kind: Cluster
`;

export function clusterText(description: Description): string {
  const lines: Line[] = KEYS.flatMap((key) => linesOf(key, description));
  return HEAD + rendered(lines);
}

/** A piece of text for a key: several lines for a list. */
interface Line {
  key: string;
  /** Behind the key. */
  text: string;
  /** Lines below it, indented once more. */
  below: readonly string[];
  isComment: boolean;
}

function linesOf(key: string, description: Description): Line[] {
  const todo = description.missing.find((missing) => missing.key === key);
  if (todo !== undefined) return [{ key, text: ` TODO ${todo.fill}`, below: [], isComment: true }];
  if ((HOST_LISTS as readonly string[]).includes(key)) {
    const hosts = description.hosts[key as HostList];
    const below = hosts.flatMap((host, i) => hostLines(host, { key: `${key}[${i}]`, description }));
    return hosts.length === 0 ? [] : [{ key, text: '', below, isComment: false }];
  }
  const found = description.values.get(key);
  if (found !== undefined) return [{ key, ...valueText(found), isComment: false }];
  if (!TO_LOOK_AT.includes(key)) return [];
  return [{ key, text: ` ${scalar(defaultOf(key))}  # not found: this is the default`, below: [], isComment: true }];
}

function valueText({ value, ...found }: Found): { text: string; below: string[] } {
  const remark = remarkOf(found);
  if (Array.isArray(value)) return { text: remark, below: listLines(value) };
  return { text: ` ${scalar(value)}${remark}`, below: [] };
}

function listLines(values: readonly Value[]): string[] {
  return stringify(values, { lineWidth: 0 }).trimEnd().split('\n');
}

const scalar = (value: unknown): string => stringify(value, { lineWidth: 0, compat: 'yaml-1.1' }).trimEnd();

function remarkOf({ at, because }: Pick<Found, 'at' | 'because'>): string {
  const places = at.length === 0 ? [] : [`from ${placesText(at)}`];
  const remark = [...places, ...(because === undefined ? [] : [because])].join('; ');
  return remark === '' ? '' : `  # ${remark}`;
}

function hostLines(host: DescribedHost, { key, description }: { key: string; description: Description }): string[] {
  const todo = (part: string) => description.missing.find((missing) => missing.key === `${key}.${part}`)?.fill;
  const { name, addresses, zone } = host;
  const lines: string[] = [];
  if (name !== undefined) lines.push(`name: ${scalar(name.value)}${remarkOf(name)}`);
  const missing = ['name', 'address'].flatMap((part) => (todo(part) === undefined ? [] : [`# ${part}: TODO ${todo(part)}`]));
  const complete = addresses.filter(({ length }) => length !== undefined);
  const [first] = complete;
  if (first !== undefined && complete.length === 1) lines.push(`address: ${addressText(first)}`);
  else if (first !== undefined) lines.push('address:', ...complete.map((address) => `  - ${addressText(address)}`));
  if (zone !== undefined) lines.push(`zone: ${scalar(zone.value)}${remarkOf(zone)}`);
  if (lines.length === 0) return missing.map((line) => `- ${line}`);
  return [...lines, ...missing].map((line, i) => `${i === 0 ? '- ' : '  '}${line}`);
}

function addressText({ value, length, at }: DescribedAddress): string {
  const remark = [
    `from ${placesText(at)}`,
    length?.because ?? (length === undefined ? '' : `/${length.value} from ${placesText(length.at)}`),
  ];
  const place = length?.because !== undefined && length.at.length > 0 ? ` (${placesText(length.at)})` : '';
  return `${value}/${length?.value}  # ${remark.join('; ')}${place}`;
}

/** Lines under their sections; a section of comments alone is one itself. */
function rendered(lines: readonly Line[]): string {
  let text = '';
  let open: readonly string[] = [];
  for (const line of lines) {
    const path = line.key.split('.');
    for (let depth = 0; depth < path.length - 1; depth++) {
      if (path.slice(0, depth + 1).every((step, i) => open[i] === step)) continue;
      const section = path.slice(0, depth + 1).join('.');
      const isComment = lines.every(({ key, isComment: mark }) => mark || !key.startsWith(`${section}.`));
      text += `${depth === 0 ? '\n' : ''}${'  '.repeat(depth)}${isComment ? '# ' : ''}${path[depth]}:\n`;
      open = path.slice(0, depth + 1);
    }
    open = path.slice(0, -1);
    const indent = '  '.repeat(path.length - 1);
    text += `${indent}${line.isComment ? '# ' : ''}${path.at(-1)}:${line.text}\n`;
    for (const below of line.below) text += `${indent}  ${below}\n`;
  }
  return text;
}

function defaultOf(key: string): unknown {
  const [section, name] = key.split('.') as [string, string];
  const plain = { apiVersion: 'hale.dev/v1alpha1', kind: 'Cluster', name: 'any', endpoint: { address: '192.0.2.100' } };
  const cluster = clusterSchema.parse({ ...plain, controlPlane: { hosts: [{ name: 'any', address: '192.0.2.11/24' }] } });
  const found = (cluster[section as 'endpoint'] as Record<string, unknown>)[name];
  if (found !== undefined) return found;
  const [subnet] = (cluster.kubernetes as unknown as Record<string, { address: string; length: number }[]>)[`${name}s`] ?? [];
  return subnet === undefined ? '' : `${subnet.address}/${subnet.length}`;
}
