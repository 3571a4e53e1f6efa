/** The description as cluster.yaml: each value with where it was found, and what is missing as a comment where it belongs. */
import { stringify } from 'yaml';
import { formatPrefix, type Prefix } from '../../base/address.ts';
import { printable } from '../../base/printable.ts';
import { clusterSchema } from '../cluster/schema.ts';
import { listAt, valueAt } from '../doctor/read/yaml.ts';
import type { Value } from './claim.ts';
import type { Found } from './decide.ts';
import { type DescribedAddress, type DescribedHost, type Description, HOST_LISTS, type HostList, KEYS, TO_LOOK_AT } from './description.ts';
import { commonFolder, type Places, placesUnder } from './places.ts';
import { renderLines, type Line } from './sections.ts';

const HEAD = '# Made by hale import. Each value says where it was found. Look at what is marked "guess" or TODO.\n';

export function clusterText(description: Description): string {
  const folder = commonFolder(filesOf(description));
  const where = folder === '' ? '' : `# The files are in ${printable(folder)}\n`;
  const lines = KEYS.flatMap((key) => linesOf(key, { description, places: placesUnder(folder) }));
  return `${HEAD}${where}apiVersion: hale.dev/v1alpha1\nkind: Cluster\n${renderLines(lines)}`;
}

function filesOf({ values, hosts }: Description): string[] {
  const ofHosts = HOST_LISTS.flatMap((list) =>
    hosts[list].flatMap(({ name, addresses, zone }) => [name, zone, ...addresses, ...addresses.map(({ length }) => length)]),
  );
  const found = [...values.values(), ...ofHosts].flatMap((one) => one?.at ?? []);
  return [...new Set(found.map(({ file }) => file.path))];
}

interface Context {
  description: Description;
  places: Places;
}

function linesOf(key: string, context: Context): Line[] {
  const { missing, hosts, values } = context.description;
  const todo = missing.find((one) => one.key === key);
  if (todo !== undefined) return [{ key, text: ` TODO ${printable(todo.fill)}`, below: [], isComment: true }];
  if ((HOST_LISTS as readonly string[]).includes(key)) {
    const listed = hosts[key as HostList];
    const below = listed.flatMap((host, i) => hostLines(host, { ...context, key: `${key}[${i}]` }));
    return listed.length === 0 ? [] : [{ key, text: '', below, isComment: false }];
  }
  const found = values.get(key);
  if (found !== undefined) return [{ key, ...valueText(found, context), isComment: false }];
  if (!TO_LOOK_AT.includes(key)) return [];
  return [{ key, text: ` ${scalar(defaultOf(key))}  # not found: this is the default`, below: [], isComment: true }];
}

function valueText(found: Found, context: Context): { text: string; below: string[] } {
  const { value } = found;
  const remark = remarkOf(found, context);
  if (Array.isArray(value)) return { text: remark, below: listLines(value) };
  return { text: ` ${scalar(value)}${remark}`, below: [] };
}

function listLines(values: readonly Value[]): string[] {
  return stringify(values, { lineWidth: 0 }).trimEnd().split('\n');
}

const scalar = (value: unknown): string => stringify(value, { lineWidth: 0, compat: 'yaml-1.1' }).trimEnd();

function remarkOf({ at, because }: Pick<Found, 'at' | 'because'>, { places }: Context): string {
  const from = at.length === 0 ? [] : [`from ${places(at)}`];
  const remark = [...from, ...(because === undefined ? [] : [because])].join('; ');
  return remark === '' ? '' : `  # ${printable(remark)}`;
}

function hostLines(host: DescribedHost, context: Context & { key: string }): string[] {
  const { name, addresses, zone } = host;
  const lines: string[] = [];
  if (name !== undefined) lines.push(`name: ${scalar(name.value)}${remarkOf(name, context)}`);
  const complete = addresses.filter(({ length }) => length !== undefined).map((address) => addressText(address, context));
  if (complete.length === 1) lines.push(`address: ${complete[0]}`);
  else if (complete.length > 1) lines.push('address:', ...complete.map((text) => `  - ${text}`));
  if (zone !== undefined) lines.push(`zone: ${scalar(zone.value)}${remarkOf(zone, context)}`);
  const { missing } = context.description;
  const todos = missing.filter(({ key }) => key.startsWith(`${context.key}.`));
  const marks = todos.map(({ key, fill }) => `# ${key.slice(context.key.length + 1)}: TODO ${printable(fill)}`);
  if (lines.length === 0) return marks.map((mark) => `# -${mark.slice(1)}`);
  return [...lines, ...marks].map((line, i) => `${i === 0 ? '- ' : '  '}${line}`);
}

/** The place of the address, and where its prefix length comes from. */
function addressText({ value, length, at }: DescribedAddress, context: Context): string {
  const ofLength = length?.because ?? `/${length?.value}`;
  const place = length === undefined || length.at.length === 0 ? '' : ` (${context.places(length.at)})`;
  return `${value}/${length?.value}${remarkOf({ at, because: ofLength + place }, context)}`;
}

function defaultOf(key: string): unknown {
  const plain = { apiVersion: 'hale.dev/v1alpha1', kind: 'Cluster', name: 'any', endpoint: { address: '192.0.2.100' } };
  const cluster = clusterSchema.parse({ ...plain, controlPlane: { hosts: [{ name: 'any', address: '192.0.2.11/24' }] } });
  const found = valueAt(cluster, key.split('.'));
  if (found !== undefined) return found;
  // A list once it is read, though most write one.
  const [subnet] = listAt(cluster, `${key}s`.split('.')) as Prefix[];
  return subnet === undefined ? '' : formatPrefix(subnet);
}
