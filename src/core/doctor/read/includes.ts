import type { Facts } from '../facts.ts';
import type { Span, TextFile } from '../text-file.ts';
import type { BlockEntry } from './blocks.ts';
import type { Trouble } from './trouble.ts';

/** Parts of nginx' own packages, which say nothing about where connections go. */
const NGINX_OWN = /mime\.types$|modules|fastcgi|uwsgi_params|scgi_params|snippets\//;

/** Files that keepalived.conf or nginx.conf includes, and that are not among those that were given. */
export function missingIncludes({ keepalived, nginx }: Pick<Facts, 'keepalived' | 'nginx'>, files: readonly TextFile[]): Trouble[] {
  const wanted = [
    ...keepalived.flatMap(({ entries }) => includesIn(entries, /^include(?:[rmwba]+)?$/)),
    // What nginx includes below `http` is about websites.
    ...nginx
      .flatMap(({ entries }) =>
        includesIn(
          entries.filter(({ words }) => words[0] !== 'http'),
          /^include$/,
        ),
      )
      .filter(({ name }) => !NGINX_OWN.test(name)),
  ];
  return wanted
    .filter(({ name, at }) => !files.some((file) => file !== at.file && isNamed(file, { name, from: at.file })))
    .map(({ name, at }) => ({ kind: 'include', at, detail: name }));
}

function includesIn(entries: readonly BlockEntry[], keyword: RegExp): { name: string; at: Span }[] {
  return entries.flatMap(({ words: [first = '', name], span, block = [] }) => [
    ...(keyword.test(first) && name !== undefined ? [{ name, at: span }] : []),
    ...includesIn(block, keyword),
  ]);
}

/** Whether a file's path ends as the included name does: the root of what was given is not known. */
function isNamed(file: TextFile, { name, from }: { name: string; from: TextFile }): boolean {
  if (file.host !== from.host) return false;
  const pattern = name
    .replace(/^(?:\.\/|\/)+/, '')
    .replace(/[.+^${}()|\\]/g, '\\$&')
    .replace(/\*+/g, '[^/]*')
    .replace(/\?/g, '[^/]');
  // A set of characters in a glob reads alike here; one that is broken matches nothing.
  try {
    return new RegExp(`(?:^|[/:])${pattern}$`).test(file.path);
  } catch {
    return false;
  }
}
