import { printable } from '../../base/printable.ts';
import { placeOf, type Span } from '../doctor/text-file.ts';

/** Names places for comments. */
export type Places = (places: readonly Span[]) => string;

/** `keepalived.conf:12`, and how many more places say so; files by what their names do not have in common with all others. */
export function placesUnder(folder: string): Places {
  return (places) => {
    const all = [...new Set(places.map((span) => `${printable(span.file.path.slice(folder.length))}:${placeOf(span).line}`))];
    return all.length > 1 ? `${all[0]} and ${all.length - 1} more` : (all[0] ?? '');
  };
}

/** The folder that all of `paths` are in, with a slash at its end; empty where there is none. */
export function commonFolder(paths: readonly string[]): string {
  const [first = '', ...others] = paths;
  let folder = first.slice(0, first.lastIndexOf('/') + 1);
  while (!others.every((path) => path.startsWith(folder))) folder = folder.slice(0, folder.lastIndexOf('/', folder.length - 2) + 1);
  return folder;
}
