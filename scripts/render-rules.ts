import { ruleMarkdown } from '../src/core/doctor/describe.ts';
import { SEVERITIES } from '../src/core/doctor/finding.ts';
import type { Rule } from '../src/core/doctor/rule.ts';
import { cell } from './markdown.ts';

/** The first that fits the id decides where a rule is listed. */
const AREAS: readonly (readonly [title: string, ids: RegExp])[] = [
  ['HAProxy', /^haproxy-/],
  ['keepalived and its check scripts', /^(?:keepalived|check)-/],
  ['nginx', /^nginx-/],
  ['kube-vip', /^kube-vip-/],
  ['kube-proxy and lvscare', /^(?:kube-proxy|lvscare)-/],
  ['kubeadm', /^kubeadm-/],
  ['kubelet', /^kubelet-/],
  ['API server', /^(?:apiserver|authentication)-/],
  ['etcd', /^etcd/],
  ['k3s and RKE2', /^(?:k3s|rke2)-/],
  ['Kernel and units', /^(?:sysctl|unit)-/],
  ['Shell scripts', /^(?:script|kubectl)-/],
  ['Files that were not checked', /^(?:file|yaml|host)-/],
  ['The cluster as a whole', /-/],
];

/** The page docs/reference/rules.md: every rule under its id. */
export function renderRules(rules: readonly Rule[]): string {
  const sorted = rules.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  const counts = SEVERITIES.map((severity) => `${rules.filter((rule) => rule.severity === severity).length} of severity ${severity}`);
  const sections = AREAS.flatMap(([title]) => {
    const own = sorted.filter(({ id }) => AREAS.find(([, ids]) => ids.test(id))?.[0] === title);
    return own.length === 0 ? [] : [`## ${title}\n\n${list(own)}\n${own.map(section).join('\n')}`];
  });
  return `<!-- Made by scripts/reference.ts from the rules. Change a rule in src/core/doctor/rules/ and run the script. -->

# Rules of hale doctor

${rules.length} rules: ${counts.join(', ')}. An \`error\` does not work, or loses data or the address; a \`warning\` fails when something else does;
\`info\` is outdated or needless. An id never changes its meaning. The examples are the tests of the rules; a tab is shown as →.

${sections.join('\n')}`;
}

const list = (rules: readonly Rule[]): string =>
  `| Rule | Severity | What is wrong |\n| --- | --- | --- |\n${rules.map(({ id, severity, title }) => `| [\`${id}\`](#${id}) | ${severity} | ${cell(title)} |\n`).join('')}`;

const section = (rule: Rule): string => `### ${rule.id}\n\n${ruleMarkdown(rule)}`;
