import type { TextFile } from '../text-file.ts';

/** Whether two files are of one host, as far as their names tell: `cp1/etc/haproxy/haproxy.cfg` and `cp1/etc/keepalived/keepalived.conf`, or two files of one folder. */
export function isSameHost(a: TextFile, b: TextFile): boolean {
  if (a.host !== undefined && b.host !== undefined) return a.host === b.host;
  return rootOf(a) === rootOf(b);
}

/** The folder that stands for the root of a host, as in `cp1/etc/haproxy/haproxy.cfg`; empty where there is none. */
export const hostNameOf = (file: TextFile): string => file.host ?? rootOf(file).replace(/^.*\//, '');

/** Asked for every pair of files. */
const roots = new WeakMap<TextFile, string>();

function rootOf(file: TextFile): string {
  const known = roots.get(file);
  if (known !== undefined) return known;
  const system = /^(.*?)(?:^|\/)(?:etc|usr|opt|lib|var)\//.exec(file.path);
  const root = system?.[1] ?? /^(.*)\/[^/]*$/.exec(file.path)?.[1] ?? '';
  roots.set(file, root);
  return root;
}
