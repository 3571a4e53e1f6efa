import type { Rule } from '../rule.ts';
import type { Trouble } from '../read/trouble.ts';

/* What keeps a file from being checked. Without a finding, it would look as if it were good. */

type Wording = Pick<Rule, 'id' | 'severity' | 'title' | 'why' | 'fix' | 'sources' | 'examples'> & { message: (detail: string) => string };

function troubleRule(kind: Trouble['kind'], { message, ...rule }: Wording): Rule {
  return {
    ...rule,
    *check({ troubles }) {
      for (const { at, detail } of troubles.filter((trouble) => trouble.kind === kind)) yield { at, message: message(detail) };
    },
  };
}

const good = [{ 'kubelet.yaml': 'apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\ncgroupDriver: systemd\n' }];

export const fileRules: readonly Rule[] = [
  troubleRule('syntax', {
    id: 'yaml-syntax',
    severity: 'error',
    title: 'the file is not valid YAML',
    message: (detail) => `this is not valid YAML: ${detail}`,
    why: 'No program can read it, and nothing else in this document was checked. Tabs instead of spaces are the usual cause.',
    fix: 'Correct the line, then run hale doctor again.',
    sources: ['yaml.org/spec/1.2.2'],
    examples: {
      bad: [{ 'kubelet.yaml': 'apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n\tcgroupDriver: systemd\n' }],
      good,
    },
  }),
  troubleRule('unclosed', {
    id: 'file-unclosed',
    severity: 'error',
    title: 'a quote or a brace has no partner',
    message: (detail) => detail,
    why: 'The program refuses the file, or takes what follows for something else; what was found behind this place may be wrong too.',
    fix: 'Close it where it is meant to end, then run hale doctor again.',
    sources: ['HAProxy configuration manual, section 2.2', 'keepalived.conf(5)', 'nginx.org, configuration file structure'],
    examples: {
      bad: [
        { 'keepalived.conf': 'vrrp_instance API {\n  virtual_router_id 87\n' },
        { 'haproxy.cfg': 'global\n  description "the balancer\n' },
        { 'check.sh': 'curl -fsS "https://localhost:6443/readyz\n' },
      ],
      good: [{ 'keepalived.conf': 'vrrp_instance API {\n  virtual_router_id 87\n}\n' }, { 'check.sh': "echo \"a\" 'b' # it's\n" }],
    },
  }),
  troubleRule('include', {
    id: 'file-include',
    severity: 'warning',
    title: 'an included file was not given, and not checked',
    message: (detail) => `${detail} is included here, but was not given, so it was not checked`,
    why: 'What is wrong in it is not found, and what this file relies on may be in it.',
    fix: 'Give hale doctor that file too, or the folder that holds both.',
    sources: ['keepalived.conf(5), include', 'nginx.org, ngx_core_module, include'],
    examples: {
      bad: [{ 'keepalived.conf': 'include /etc/keepalived/conf.d/*.conf\n' }],
      good: [
        {
          'keepalived.conf': 'include /etc/keepalived/conf.d/*.conf\n',
          'etc/keepalived/conf.d/api.conf': 'vrrp_instance API {\n  virtual_router_id 87\n}\n',
        },
      ],
    },
  }),
  troubleRule('duplicate-key', {
    id: 'yaml-duplicate-key',
    severity: 'error',
    title: 'a key is given twice in one mapping',
    message: (detail) => `the key ${detail} is given twice in one mapping`,
    why: 'Strict readers such as kubeadm refuse the file; lenient ones take the last value and drop the first without a word.',
    fix: 'Keep the one that is meant.',
    sources: ['yaml.org/spec/1.2.2, section 3.2.1.3'],
    examples: {
      bad: [
        {
          'kubelet.yaml':
            'apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\ncgroupDriver: systemd\ncgroupDriver: cgroupfs\n',
        },
      ],
      good,
    },
  }),
  troubleRule('aliases', {
    id: 'yaml-aliases',
    severity: 'error',
    title: 'aliases multiply beyond any use, or lead nowhere',
    message: (detail) => `the aliases of this document cannot be resolved: ${detail}`,
    why: 'A few lines that stand for billions of values exhaust the memory of whatever reads them. The document was not checked.',
    fix: 'Write the values out.',
    sources: ['CVE-2019-11253'],
    examples: { bad: [{ 'bomb.yaml': bomb() }], good },
  }),
  troubleRule('template', {
    id: 'file-template',
    severity: 'warning',
    title: 'the file is a template, and was not checked',
    message: () => 'this is a template (Jinja, Helm, Go); what becomes of it is not known, so it was not checked',
    why: 'Its mistakes show only in what is made from it.',
    fix: 'Render it (helm template, ansible --check --diff), and give hale doctor the result.',
    sources: ['helm.sh/docs/chart_template_guide', 'jinja.palletsprojects.com'],
    examples: { bad: [{ 'haproxy.cfg.j2': 'frontend api\n  bind *:{{ port }}\n' }], good },
  }),
  troubleRule('unrecognised', {
    id: 'file-unrecognised',
    severity: 'warning',
    title: 'hale does not know what this file is, and did not check it',
    message: () => 'hale does not know what this file is, so it was not checked',
    why: 'No finding says nothing about it.',
    fix: 'Name files of HAProxy, keepalived, nginx, kubeadm, kubelet, kube-proxy, kube-vip, k3s, RKE2, etcd, lvscare, Kubernetes manifests, units, sysctl settings or shell scripts; a name such as haproxy.cfg helps.',
    sources: ['hale'],
    examples: { bad: [{ 'notes.txt': 'call Bob\n' }], good },
  }),
  troubleRule('empty', {
    id: 'file-empty',
    severity: 'warning',
    title: 'the file is empty',
    message: () => 'the file is empty',
    why: 'Whatever reads it runs with its defaults, or not at all.',
    fix: 'Fill it, or remove it.',
    sources: ['hale'],
    examples: { bad: [{ 'haproxy.cfg': '\n' }], good },
  }),
  troubleRule('byte-order-mark', {
    id: 'file-byte-order-mark',
    severity: 'warning',
    title: 'the file begins with a byte-order mark',
    message: () => 'the file begins with the byte-order mark EF BB BF, which is no part of its text',
    why: 'HAProxy, keepalived and the shell take the mark for a part of the first word, and refuse or misread that line. The rest was checked.',
    fix: "Remove it: sed -i '1s/^\\xEF\\xBB\\xBF//' FILE.",
    sources: ['RFC 3629, section 6'],
    examples: { bad: [], badInWords: 'A file that an editor on Windows saved as "UTF-8 with BOM".', good },
  }),
  troubleRule('encoding', {
    id: 'file-encoding',
    severity: 'warning',
    title: 'the file is not UTF-8',
    message: (detail) => `the file is not UTF-8: ${detail}`,
    why: 'Most programs that would read it expect ASCII or UTF-8. A file in UTF-16 was not checked at all; of another one, text in other encodings was not understood.',
    fix: 'Convert it: iconv -f UTF-16 -t UTF-8, or -f ISO-8859-1.',
    sources: ['RFC 3629'],
    examples: { bad: [], badInWords: 'What > writes in PowerShell 5 (UTF-16), or a comment with umlauts in ISO 8859-1.', good },
  }),
  troubleRule('binary', {
    id: 'file-binary',
    severity: 'warning',
    title: 'the file is binary, and was not checked',
    message: () => 'the file holds zero bytes, so it is no text, and was not checked',
    why: 'Its name is that of a configuration, which a binary file cannot be: it may be damaged, compressed, or a mistake.',
    fix: 'Look at it with file(1); restore it if it is damaged.',
    sources: ['hale'],
    examples: { bad: [], badInWords: 'A haproxy.cfg of zeros, as some file systems leave it after a loss of power.', good },
  }),
  troubleRule('large', {
    id: 'file-large',
    severity: 'warning',
    title: 'the file is too large to be a configuration, and was not checked',
    message: (detail) => `the file was not checked: ${detail}, but hale doctor reads at most 4 MiB of a file`,
    why: 'No finding says nothing about it.',
    fix: 'Split it, or give hale doctor the part that matters.',
    sources: ['hale'],
    examples: { bad: [], badInWords: 'A log, an image, or a dump of a whole cluster.', good },
  }),
  troubleRule('special', {
    id: 'file-special',
    severity: 'warning',
    title: 'the file is no regular file, and was not opened',
    message: () => 'this is no regular file but a FIFO, a socket or a device, so it was not opened',
    why: 'Reading it could wait for ever, or disturb whoever else reads it.',
    fix: 'Name a regular file, or give its content on standard input with the name -.',
    sources: ['hale'],
    examples: { bad: [], badInWords: 'A FIFO called haproxy.cfg, or /dev/zero.', good },
  }),
  troubleRule('unreadable', {
    id: 'file-unreadable',
    severity: 'error',
    title: 'the file could not be read',
    message: (detail) => `this could not be read: ${detail}`,
    why: 'Nothing in it was checked.',
    fix: 'Correct the name, or run hale doctor as somebody who may read it.',
    sources: ['hale'],
    examples: { bad: [], badInWords: 'A name that does not exist, a file of root, a symbolic link that leads nowhere.', good },
  }),
  troubleRule('unreachable', {
    id: 'host-unreachable',
    severity: 'error',
    title: 'a host could not be reached by ssh',
    message: (detail) => `the host could not be reached by ssh: ${detail}`,
    why: 'Nothing on it was checked, and what its files should have in common with those of the others was not compared.',
    fix: 'Make `ssh -o BatchMode=yes HOST true` work: a key that needs no question, and a host key that is known.',
    sources: ['ssh(1)'],
    examples: { bad: [], badInWords: 'A host that is down, or that asks for a password.', good },
  }),
  troubleRule('refused', {
    id: 'cluster-refused',
    severity: 'warning',
    title: 'the API server did not give an object',
    message: (detail) => `the API server did not give this: ${detail}`,
    why: 'It was not checked; the other kinds were.',
    fix: 'Use a kubeconfig that may read it, such as that of an administrator.',
    sources: ['kubernetes.io/docs/reference/access-authn-authz/rbac'],
    examples: { bad: [], badInWords: 'A service account without the right to list nodes.', good },
  }),
];

function bomb(): string {
  const levels = Array.from(
    { length: 12 },
    (_, i) => `l${i}: &l${i} [${Array.from({ length: 9 }, () => (i === 0 ? 'x' : `*l${i - 1}`)).join(', ')}]\n`,
  );
  return `apiVersion: v1\nkind: ConfigMap\n${levels.join('')}`;
}
