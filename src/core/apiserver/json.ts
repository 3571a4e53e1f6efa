/** Parts of the API's objects, as JSON.parse made them; what is absent or of another kind reads as empty. */

export type Mapping = Readonly<Record<string, unknown>>;

const NOTHING: Mapping = Object.freeze({});
const NO_MAPPINGS: readonly Mapping[] = Object.freeze([]);
const NO_TEXTS: readonly string[] = Object.freeze([]);
const NO_PAIRS: Readonly<Record<string, string>> = Object.freeze({});

export function isMapping(value: unknown): value is Mapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function mappingAt(from: Mapping, key: string): Mapping {
  const value = from[key];
  return isMapping(value) ? value : NOTHING;
}

export function textAt(from: Mapping, key: string): string {
  const value = from[key];
  return typeof value === 'string' ? value : '';
}

export function numberAt(from: Mapping, key: string): number | undefined {
  const value = from[key];
  return typeof value === 'number' ? value : undefined;
}

export function mappingsAt(from: Mapping, key: string): readonly Mapping[] {
  const value = from[key];
  return Array.isArray(value) ? value.filter(isMapping) : NO_MAPPINGS;
}

export function textsAt(from: Mapping, key: string): readonly string[] {
  const value = from[key];
  return Array.isArray(value) && value.length > 0 ? value.filter((text) => typeof text === 'string') : NO_TEXTS;
}

/** Labels, annotations: the very object where that is in order, so that nothing is copied. */
export function pairsAt(from: Mapping, key: string): Readonly<Record<string, string>> {
  const value = from[key];
  if (!isMapping(value)) return NO_PAIRS;
  for (const name in value) if (typeof value[name] !== 'string') return textsOf(value);
  return value as Readonly<Record<string, string>>;
}

function textsOf(from: Mapping): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(from).filter((pair): pair is [string, string] => typeof pair[1] === 'string'));
}

/** RFC 3339 to Unix time in ms; undefined where there is none. */
export function timeAt(from: Mapping, key: string): number | undefined {
  const value = from[key];
  const timeMs = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  return Number.isNaN(timeMs) ? undefined : timeMs;
}
