import { documentsOf, KUBEADM } from '../look/documents.ts';
import { flagNamed, isOpen, programsNamed } from '../look/flags.ts';
import { list } from '../look/values.ts';
import { listAt, mapAt, textAt, type YamlDocument } from '../read/yaml.ts';
import type { Facts } from '../facts.ts';
import type { Rule } from '../rule.ts';
import { kubeadm, staticPod } from './examples.ts';

/* Anonymous requests, by an AuthenticationConfiguration. */

function* restricted(facts: Facts): Iterable<{ document: YamlDocument; paths: string[] }> {
  for (const document of documentsOf(facts, 'apiserver.config.k8s.io/', 'AuthenticationConfiguration')) {
    const conditions = listAt(document.value, ['anonymous', 'conditions']);
    if (conditions.length > 0) yield { document, paths: conditions.map((one) => textAt(one, ['path']) ?? '') };
  }
}

const CLUSTER_INFO = '/api/v1/namespaces/kube-public/configmaps/cluster-info';
const AUTH = (...paths: string[]) =>
  `apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\nanonymous:\n  enabled: true\n  conditions:\n${paths.map((path) => `  - path: ${path}\n`).join('')}`;
const JOIN = kubeadm('JoinConfiguration', 'discovery: {bootstrapToken: {apiServerEndpoint: api:6443, caCertHashes: [sha256:00]}}\n');

const APISERVER = (...flags: string[]) =>
  staticPod('kube-apiserver', { image: 'registry.k8s.io/kube-apiserver:v1.36.4', command: ['kube-apiserver', ...flags] });

export const authenticationRules: readonly Rule[] = [
  {
    id: 'authentication-health-paths',
    severity: 'error',
    title: 'health checks are not among the anonymous requests that are allowed',
    why: 'Probes of the kubelet and checks of balancers get 401: the API server is restarted, or taken for dead. A path counts exactly as it is written.',
    fix: 'Add conditions for /livez, /readyz and /healthz.',
    sources: ['kubernetes.io/docs/reference/access-authn-authz/authentication, anonymous requests'],
    examples: { bad: [{ 'auth.yaml': AUTH('/livez', '/healthz') }], good: [{ 'auth.yaml': AUTH('/livez', '/readyz', '/healthz') }] },
    *check(facts) {
      for (const { document, paths } of restricted(facts)) {
        const missing = ['/livez', '/readyz'].filter((path) => !paths.includes(path));
        if (missing.length > 0)
          yield {
            at: document.span(['anonymous', 'conditions'], 'key'),
            message: `anonymous requests to ${list(missing)} are not allowed`,
          };
      }
    },
  },
  {
    id: 'authentication-token-join',
    severity: 'warning',
    title: 'kubeadm join by token cannot read cluster-info',
    why: 'A node that joins by token first reads the ConfigMap cluster-info as nobody. It gets 401, and no node can join any more.',
    fix: `Add a condition for ${CLUSTER_INFO}, or join with discovery.file.`,
    sources: ['kubernetes.io/docs/reference/setup-tools/kubeadm/kubeadm-join'],
    examples: {
      bad: [{ 'auth.yaml': AUTH('/livez', '/readyz', '/healthz'), 'join.yaml': JOIN }],
      good: [
        { 'auth.yaml': AUTH('/livez', '/readyz', '/healthz', CLUSTER_INFO), 'join.yaml': JOIN },
        { 'auth.yaml': AUTH('/livez', '/readyz', '/healthz') },
      ],
    },
    *check(facts) {
      const isKubeadm = facts.documents.some(({ apiVersion }) => apiVersion.startsWith(KUBEADM));
      const isByFile = documentsOf(facts, KUBEADM, 'JoinConfiguration').some(
        ({ value }) => Object.keys(mapAt(value, ['discovery', 'file'])).length > 0,
      );
      for (const { document, paths } of isKubeadm && !isByFile ? restricted(facts) : [])
        if (!paths.includes(CLUSTER_INFO))
          yield { at: document.span(['anonymous', 'conditions'], 'key'), message: `anonymous requests to ${CLUSTER_INFO} are not allowed` };
    },
  },
  {
    id: 'authentication-both',
    severity: 'error',
    title: 'anonymous requests are set by flag and by file',
    why: 'The API server does not start: --anonymous-auth and anonymous of the AuthenticationConfiguration exclude each other.',
    fix: 'Remove --anonymous-auth.',
    sources: ['kubernetes.io/docs/reference/access-authn-authz/authentication, anonymous requests'],
    examples: {
      bad: [
        {
          'auth.yaml': AUTH('/livez', '/readyz'),
          'kube-apiserver.yaml': staticPod('kube-apiserver', {
            command: ['kube-apiserver', '--anonymous-auth=true', '--authentication-config=/etc/auth.yaml'],
          }),
        },
      ],
      good: [
        {
          'auth.yaml': AUTH('/livez', '/readyz'),
          'kube-apiserver.yaml': staticPod('kube-apiserver', { command: ['kube-apiserver', '--authentication-config=/etc/auth.yaml'] }),
        },
      ],
    },
    *check(facts) {
      if (
        !documentsOf(facts, 'apiserver.config.k8s.io/', 'AuthenticationConfiguration').some(
          ({ value }) => Object.keys(mapAt(value, ['anonymous'])).length > 0,
        )
      )
        return;
      for (const program of programsNamed(facts, 'kube-apiserver')) {
        const flag = flagNamed(program, 'anonymous-auth');
        if (flag !== undefined && flagNamed(program, 'authentication-config') !== undefined)
          yield { at: flag.span, message: 'anonymous-auth is set beside an AuthenticationConfiguration that has anonymous' };
      }
    },
  },
  {
    id: 'apiserver-service-account',
    severity: 'error',
    title: 'the API server is not told who issues tokens of service accounts',
    why: 'Both flags are required since Kubernetes 1.20: the API server ends at once without them.',
    fix: 'Add --service-account-issuer (https://kubernetes.default.svc.cluster.local) and --service-account-signing-key-file, alike on every API server.',
    sources: ['kubernetes.io/docs/reference/command-line-tools-reference/kube-apiserver', 'Kubernetes 1.20 changelog'],
    examples: {
      bad: [{ 'pod.yaml': APISERVER('--etcd-servers=https://127.0.0.1:2379', '--service-account-key-file=/etc/kubernetes/pki/sa.pub') }],
      good: [
        {
          'pod.yaml': APISERVER(
            '--service-account-key-file=/etc/kubernetes/pki/sa.pub',
            '--service-account-issuer=https://kubernetes.default.svc',
            '--service-account-signing-key-file=/etc/kubernetes/pki/sa.key',
          ),
        },
      ],
    },
    *check(facts) {
      for (const program of programsNamed(facts, 'kube-apiserver')) {
        const key = flagNamed(program, 'service-account-key-file');
        const missing = ['service-account-issuer', 'service-account-signing-key-file'].filter(
          (name) => flagNamed(program, name) === undefined && flagNamed(program, name.replace('-key-file', '-endpoint')) === undefined,
        );
        // A shortened example says nothing of them at all.
        if (program.complete && key !== undefined && missing.length > 0)
          yield { at: key.span, message: `there is no --${missing.join(' and no --')}` };
      }
    },
  },
  {
    id: 'apiserver-authorization',
    severity: 'warning',
    title: 'the API server does not authorise by roles',
    why: 'Kubelets and components are given their rights by Node and RBAC; without them either nothing works or everything is allowed.',
    fix: 'Write --authorization-mode=Node,RBAC.',
    sources: ['kubernetes.io/docs/reference/access-authn-authz/authorization'],
    examples: {
      bad: [{ 'pod.yaml': APISERVER('--authorization-mode=ABAC') }],
      good: [{ 'pod.yaml': APISERVER('--authorization-mode=Node,RBAC') }],
    },
    *check(facts) {
      for (const program of programsNamed(facts, 'kube-apiserver')) {
        const mode = flagNamed(program, 'authorization-mode');
        const modes = mode?.value?.split(',') ?? [];
        if (mode !== undefined && modes.length > 0 && !modes.includes('RBAC') && !isOpen(modes.join(',')))
          yield { at: mode.span, message: `the mode is ${list(modes)}` };
      }
    },
  },
];
