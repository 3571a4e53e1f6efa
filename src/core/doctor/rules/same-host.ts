import type { TextFile } from '../text-file.ts';

/** Whether two files are of one host, as far as their names tell: `cp1/etc/haproxy/haproxy.cfg` and `cp1/etc/keepalived/keepalived.conf`, or two files of one folder. */
export function isSameHost(a: TextFile, b: TextFile): boolean {
  if (a.host !== undefined && b.host !== undefined) return a.host === b.host;
  return rootOf(a) === rootOf(b);
}

function rootOf({ path }: TextFile): string {
  const system = /^(.*?)(?:^|\/)(?:etc|usr|opt|lib|var)\//.exec(path);
  return system?.[1] ?? /^(.*)\/[^/]*$/.exec(path)?.[1] ?? '';
}
