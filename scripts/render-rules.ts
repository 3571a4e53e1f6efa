import { ruleMarkdown } from '../src/core/doctor/describe.ts';
import { SEVERITIES } from '../src/core/doctor/finding.ts';
import type { Rule } from '../src/core/doctor/rule.ts';
import { cell } from './markdown.ts';

/** Programs whose names are not simply written with a capital. */
const TITLES: Readonly<Record<string, string>> = {
  haproxy: 'HAProxy',
  keepalived: 'keepalived',
  kubevip: 'kube-vip',
  kube: 'Kubernetes',
  kubeadm: 'kubeadm',
  kubelet: 'kubelet',
  nginx: 'nginx',
  lvscare: 'lvscare',
  etcd: 'etcd',
  k3s: 'k3s',
  rke2: 'RKE2',
  yaml: 'YAML',
  ipvs: 'IPVS',
  bgp: 'BGP',
  cni: 'CNI',
};

/** The page docs/reference/rules.md: every rule under its id, by the first word of that. */
export function renderRules(rules: readonly Rule[]): string {
  const sorted = rules.toSorted((a, b) => (a.id < b.id ? -1 : 1));
  const wordOf = ({ id }: Rule): string => id.split('-')[0] as string;
  const words = [...new Set(sorted.map(wordOf))];
  const counts = SEVERITIES.map((severity) => `${rules.filter((rule) => rule.severity === severity).length} of severity ${severity}`);
  const sections = words.map((word) => {
    const own = sorted.filter((rule) => wordOf(rule) === word);
    const title = TITLES[word] ?? word.charAt(0).toUpperCase() + word.slice(1);
    return `## ${title}\n\n${list(own)}\n${own.map(section).join('\n')}`;
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
