/** What is secret in configuration must not reach a terminal, a log or a report, whatever a rule quotes. */

const PATTERNS: readonly RegExp[] = [
  // keepalived and HAProxy.
  /\bauth_pass\s+["']?(?<value>[^\s"']+)/g,
  /\bstats\s+auth\s+(?<value>\S+)/g,
  /\b(?:insecure-)?password\s+(?<value>[^\s"'{}]+)/g,
  // Keys of YAML, flags, variables of units and shells.
  /(?:token|password|passwd|secret|certificate-?key|(?:api|access|secret)-?key|client-key-data|auth_pass)["']?\s*[:=]\s*["']?(?<value>[^\s"'#,{}[\]|>]+)/gi,
  /--[\w-]*(?:token|password|certificate-key)\s+["']?(?<value>[^\s"'-][^\s"']*)/gi,
  // Tokens of kubeadm and of k3s by their form, and certificate keys.
  /(?<![\w.])(?<value>[a-z0-9]{6}\.[a-z0-9]{16})(?![\w.])/g,
  /\b(?<value>K10[0-9a-f]{64}::\S+)/g,
  /(?<![:\w])(?<value>[0-9a-f]{64})\b/g,
];

/** Values under such keys that hide nothing: switches, files, and what stands for something else. */
const HARMLESS = /^(?:true|false|null|~|\d{1,2}[smhd]?|[./~][\w./~-]*|\$.*|%.*|\*+|<.*)$/i;

/** Shorter ones would be found in any sentence. */
const LENGTH_MIN = 4;

const HIDDEN = '(hidden)';

/** The secrets in a text, as far as they can be told by what stands before them, or by their form. */
export function secretsIn(text: string): string[] {
  const found = PATTERNS.flatMap((pattern) => [...text.matchAll(pattern)].map(({ groups }) => groups?.['value'] ?? ''));
  if (/^kind:\s*["']?Secret\b/m.test(text))
    found.push(...[...text.matchAll(/^\s+[\w.-]+:\s*["']?([^\s"']+)/gm)].map(([, value]) => value ?? ''));
  // `stats auth admin:password`: the password alone, too.
  const parts = found.flatMap((value) => [value, ...(/^[^:/]+:[^:/]+$/.test(value) ? [value.slice(value.indexOf(':') + 1)] : [])]);
  return [...new Set(parts)].filter((value) => value.length >= LENGTH_MIN && !HARMLESS.test(value)).sort((a, b) => b.length - a.length);
}

/** `text` without these secrets, wherever they stand as words of their own. */
export function hideSecrets(text: string, secrets: readonly string[]): string {
  return secrets.reduce((shown, secret) => (shown.includes(secret) ? hideOne(shown, secret) : shown), text);
}

function hideOne(text: string, secret: string): string {
  const pattern = secret.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
  return text.replaceAll(new RegExp(`(?<!\\w)${pattern}(?!\\w)`, 'g'), HIDDEN);
}
