import type { TextFile } from '../text-file.ts';

/** What a file is, by its name and by what is in it. */
export type FileKind = 'haproxy' | 'keepalived' | 'nginx' | 'script' | 'sysctl' | 'unit' | 'yaml' | 'environment' | 'template' | 'unknown';

/** Jinja's statements, and expressions of Jinja or Go templates where a value or a line begins: in quotes they may be part of a plain file. */
const TEMPLATE = /^\s*(?:#\s*)?\{%-?\s|^\s*\{\{|^[\w\s.-]+[:=]\s*\{\{|^\s*-\s+\{\{|^[\w\s.-]*\s\{\{-?\s*[\w.$]+[^{}]*\}\}/m;

const BY_CONTENT: readonly (readonly [FileKind, RegExp])[] = [
  ['script', /^#!.*\b(?:ba|da|z|k)?sh\b/],
  ['keepalived', /^\s*(?:vrrp_instance|vrrp_script|vrrp_sync_group|virtual_server|global_defs|vrrp_track_process)\b[^\n]*(?:\{|\n\s*\{)/m],
  ['haproxy', /^(?:global|defaults|frontend\s+\S+|backend\s+\S+|listen\s+\S+)[ \t]*(?:#.*)?\r?$/m],
  ['unit', /^\[(?:Unit|Service|Install|Socket|Timer)\]\s*$/m],
  ['nginx', /^\s*(?:stream|http|upstream\s+\S+|server)\s*\{/m],
  ['sysctl', /^\s*-?(?:net|fs|vm|kernel)[./][\w./*-]+\s*=/m],
  ['environment', /^(?:export\s+)?(?:ETCD|KUBE|KUBELET|K3S|RKE2)_\w+=/m],
];

const BY_NAME: readonly (readonly [FileKind, RegExp])[] = [
  ['haproxy', /haproxy[^/]*\.cfg$/],
  ['keepalived', /keepalived[^/]*\.conf$/],
  ['nginx', /nginx[^/]*\.conf$/],
  ['sysctl', /(?:sysctl\.d\/[^/]*|sysctl)\.conf$/],
  ['unit', /\.(?:service|timer|socket)(?:\.d\/[^/]*\.conf)?$/],
  ['script', /\.(?:sh|bash)$/],
  ['yaml', /\.(?:ya?ml|json)$/],
  ['environment', /etc\/(?:default|sysconfig)\/[^/]+$/],
];

export function recognise({ path, text }: TextFile): FileKind {
  const named = BY_NAME.find(([, pattern]) => pattern.test(path))?.[0];
  if (isTemplate({ path, text }, named)) return 'template';
  // A folder of configuration has many a *.cfg and *.conf; what is in it decides.
  const looksLikeYaml = named === 'yaml' || /^(?:---\s*$|apiVersion:|kind:|\{)/m.test(text.slice(0, 4096));
  if (named !== undefined && named !== 'yaml') return named;
  if (looksLikeYaml) return 'yaml';
  return BY_CONTENT.find(([, pattern]) => pattern.test(text))?.[0] ?? 'unknown';
}

/** Languages in which no two braces stand together, unless in quotes. */
const WITHOUT_BRACES: readonly (FileKind | undefined)[] = ['haproxy', 'keepalived', 'nginx', 'sysctl'];

function isTemplate({ path, text }: TextFile, named: FileKind | undefined): boolean {
  if (!text.includes('{{') && !text.includes('{%')) return false;
  if (/\.(?:j2|tpl|tmpl|gotmpl)$/.test(path)) return true;
  if (WITHOUT_BRACES.includes(named) && /^[^"'\n]*\{[{%]/m.test(text)) return true;
  return !/\.(?:sh|bash)$/.test(path) && TEMPLATE.test(text);
}
