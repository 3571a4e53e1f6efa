import type { Facts } from '../facts.ts';
import { clusterMinor, documentsOf, KUBEADM, minorFor } from '../look/documents.ts';
import { kubernetesMinor, versionOf } from '../look/values.ts';
import { mapAt, textAt, valueAt, type Path, type YamlDocument } from '../read/yaml.ts';
import type { Hit, Rule } from '../rule.ts';
import { clusterConfiguration, kubeadm } from './examples.ts';

/* kubeadm's own format: versions, and fields that do not do what they seem to. */

const KINDS = ['InitConfiguration', 'JoinConfiguration', 'ClusterConfiguration', 'ResetConfiguration', 'UpgradeConfiguration'];

function* versions(facts: Facts): Iterable<{ document: YamlDocument; version: string }> {
  for (const document of documentsOf(facts, KUBEADM, ...KINDS)) yield { document, version: document.apiVersion.slice(KUBEADM.length) };
}

/** Where arguments for programs stand, by kind. */
const ARGUMENTS: Readonly<Record<string, readonly Path[]>> = {
  ClusterConfiguration: [
    ['apiServer', 'extraArgs'],
    ['controllerManager', 'extraArgs'],
    ['scheduler', 'extraArgs'],
    ['etcd', 'local', 'extraArgs'],
  ],
  InitConfiguration: [['nodeRegistration', 'kubeletExtraArgs']],
  JoinConfiguration: [['nodeRegistration', 'kubeletExtraArgs']],
};

function* argumentForms(facts: Facts): Iterable<Hit> {
  for (const { document, version } of versions(facts)) {
    for (const path of ARGUMENTS[document.kind] ?? []) {
      const value = valueAt(document.value, path);
      const isList = Array.isArray(value);
      const isMapping = !isList && Object.keys(mapAt(document.value, path)).length > 0;
      const name = path.join('.');
      const at = document.span(path, 'key');
      if (version === 'v1beta4' && isMapping) yield { at, message: `${name} is a mapping, but in v1beta4 it is a list of name and value` };
      if (version === 'v1beta3' && isList) yield { at, message: `${name} is a list, but in v1beta3 it is a mapping of names and values` };
    }
  }
}

/** Flags that may be given more than once, because each adds to the last. */
const REPEATABLE =
  /^(?:service-account-(?:key-file|issuer)|tls-sni-cert-key|.*-(?:plugins|suites|origins|signkey)|feature-gates|runtime-config|etcd-servers.*|api-audiences|vmodule|node-labels|authorization-mode|requestheader-.*|disabled-metrics|controllers|.*-taints|cluster-dns|show-hidden.*|system-reserved|kube-reserved|eviction-.*)$/;

function* repeatedArguments(facts: Facts): Iterable<Hit> {
  for (const { origin, name, flags } of facts.programs) {
    if (origin !== 'kubeadm') continue;
    for (const [i, flag] of flags.entries()) {
      const isRepeated = flags.slice(0, i).some((other) => other.name === flag.name);
      if (isRepeated && !REPEATABLE.test(flag.name))
        yield { at: flag.span, message: `${flag.name} is given to ${name} twice, and only the last counts` };
    }
  }
}

/** Tokens of kubeadm's documentation, and of what kubeadm config print init-defaults writes. */
const SAMPLE_TOKENS: ReadonlySet<string> = new Set(['abcdef.0123456789abcdef', '9a08jv.c0izixklcxtmnze7', '783bde.3f89s0fje9f38fhf']);

function* tokens(facts: Facts): Iterable<{ document: YamlDocument; path: Path; token: string }> {
  for (const document of documentsOf(facts, KUBEADM, 'InitConfiguration', 'JoinConfiguration')) {
    const listed = valueAt(document.value, ['bootstrapTokens']);
    const count = Array.isArray(listed) ? listed.length : 0;
    const paths: Path[] = Array.from({ length: count }, (_, i) => ['bootstrapTokens', i, 'token']);
    for (const path of [...paths, ['discovery', 'bootstrapToken', 'token'], ['discovery', 'tlsBootstrapToken']]) {
      const token = textAt(document.value, path);
      if (token !== undefined) yield { document, path, token };
    }
  }
}

export const kubeadmRules: readonly Rule[] = [
  {
    id: 'kubeadm-api-removed',
    severity: 'error',
    title: 'the kubeadm configuration has a format that no supported kubeadm reads',
    why: 'kubeadm stops with "no kind is registered". v1beta2 went with kubeadm 1.27, v1beta1 with 1.20.',
    fix: 'Write it as v1beta4, or let a kubeadm that still reads it convert it: kubeadm config migrate --old-config FILE --new-config NEW.',
    sources: ['kubernetes PR 114540', 'kubeadm config migrate --help'],
    examples: { bad: [{ 'kubeadm.yaml': clusterConfiguration('', 'v1beta2') }], good: [{ 'kubeadm.yaml': clusterConfiguration() }] },
    *check(facts) {
      for (const { document, version } of versions(facts))
        if (/^v1(?:alpha[1-3]|beta[12])$/.test(version))
          yield { at: document.span(['apiVersion']), message: `kubeadm.k8s.io/${version} is not read by any supported kubeadm` };
    },
  },
  {
    id: 'kubeadm-v1beta3-removed',
    severity: 'error',
    title: 'v1beta3 is not read by the kubeadm of this Kubernetes version',
    why: 'kubeadm 1.37 reads v1beta4 only, so init, join and upgrade stop at this file.',
    fix: 'Run kubeadm config migrate with a kubeadm of 1.31 to 1.36; extraArgs become lists of name and value.',
    sources: ['kubernetes PR 136016'],
    examples: {
      bad: [{ 'kubeadm.yaml': clusterConfiguration('kubernetesVersion: v1.37.0\n', 'v1beta3') }],
      good: [{ 'kubeadm.yaml': clusterConfiguration('kubernetesVersion: v1.30.2\n', 'v1beta3') }],
    },
    *check(facts) {
      for (const { document, version } of versions(facts)) {
        const minor = minorFor(facts, document);
        if (version === 'v1beta3' && minor !== undefined && minor >= 37)
          yield { at: document.span(['apiVersion']), message: `kubeadm 1.${minor} does not read kubeadm.k8s.io/v1beta3` };
      }
    },
  },
  {
    id: 'kubeadm-v1beta3-deprecated',
    severity: 'info',
    title: 'v1beta3 is deprecated since kubeadm 1.31',
    why: 'It is read until 1.36. An upgrade beyond that stops at this file, at a moment when nobody wants to learn a format.',
    fix: 'Run kubeadm config migrate --old-config FILE --new-config NEW with a kubeadm of 1.31 to 1.36.',
    sources: ['kubernetes.io/docs/reference/config-api/kubeadm-config.v1beta4'],
    examples: {
      bad: [{ 'kubeadm.yaml': clusterConfiguration('kubernetesVersion: v1.35.1\n', 'v1beta3') }],
      good: [{ 'kubeadm.yaml': clusterConfiguration('kubernetesVersion: v1.29.1\n', 'v1beta3') }],
    },
    *check(facts) {
      for (const { document, version } of versions(facts)) {
        const minor = minorFor(facts, document);
        if (version === 'v1beta3' && (minor === undefined || (minor >= 31 && minor < 37)))
          yield { at: document.span(['apiVersion']), message: 'kubeadm.k8s.io/v1beta3 is deprecated since 1.31 and gone with 1.37' };
      }
    },
  },
  {
    id: 'kubeadm-arguments-form',
    severity: 'error',
    title: 'extra arguments have the form of another version of the format',
    why: 'kubeadm does not read the file at all: until v1beta3 arguments are a mapping, since v1beta4 a list in which a name may repeat.',
    fix: 'v1beta4: `extraArgs: [{name: goaway-chance, value: "0.001"}]`. v1beta3: `extraArgs: {goaway-chance: "0.001"}`.',
    sources: ['kubernetes.io/docs/reference/config-api/kubeadm-config.v1beta4'],
    examples: {
      bad: [
        { 'kubeadm.yaml': clusterConfiguration('apiServer: {extraArgs: {goaway-chance: "0.001"}}\n') },
        {
          'kubeadm.yaml': kubeadm(
            'InitConfiguration',
            'nodeRegistration: {kubeletExtraArgs: [{name: node-ip, value: 10.0.0.1}]}\n',
            'v1beta3',
          ),
        },
      ],
      good: [{ 'kubeadm.yaml': clusterConfiguration('apiServer: {extraArgs: [{name: goaway-chance, value: "0.001"}]}\n') }],
    },
    check: argumentForms,
  },
  {
    id: 'kubeadm-argument-twice',
    severity: 'warning',
    title: 'the same argument is given to a program twice',
    why: 'v1beta4 takes both and the program keeps the last, so the other value is believed to be in force and is not.',
    fix: 'Keep the one that is meant.',
    sources: ['kubernetes.io/docs/reference/config-api/kubeadm-config.v1beta4'],
    examples: {
      bad: [
        {
          'kubeadm.yaml': clusterConfiguration(
            'apiServer:\n  extraArgs:\n  - {name: profiling, value: "true"}\n  - {name: profiling, value: "false"}\n',
          ),
        },
      ],
      good: [
        {
          'kubeadm.yaml': clusterConfiguration(
            'apiServer:\n  extraArgs:\n  - {name: service-account-issuer, value: https://new}\n  - {name: service-account-issuer, value: https://old}\n',
          ),
        },
      ],
    },
    check: repeatedArguments,
  },
  {
    id: 'kubeadm-version-malformed',
    severity: 'error',
    title: 'kubernetesVersion is not a version that kubeadm understands',
    why: 'kubeadm takes what is no full version for the name of a release channel and looks for it on the internet, or cannot read the file.',
    fix: 'Write the whole version in text, such as v1.36.4.',
    sources: ['kubeadm, app/util/version.go'],
    examples: {
      bad: [
        { 'kubeadm.yaml': clusterConfiguration('kubernetesVersion: v1.36\n') },
        { 'kubeadm.yaml': clusterConfiguration('kubernetesVersion: 1.36\n') },
      ],
      good: [
        { 'kubeadm.yaml': clusterConfiguration('kubernetesVersion: 1.36.4\n') },
        { 'kubeadm.yaml': clusterConfiguration('kubernetesVersion: stable-1.36\n') },
      ],
    },
    *check(facts) {
      for (const document of documentsOf(facts, KUBEADM, 'ClusterConfiguration')) {
        const text = textAt(document.value, ['kubernetesVersion']);
        if (
          text === undefined ||
          /^v?\d+\.\d+\.\d+([-+.][\w.+-]+)?$/.test(text) ||
          /^(?:stable|latest|ci\/|release\/|https?:|\$|\{|<)/.test(text)
        )
          continue;
        yield {
          at: document.span(['kubernetesVersion']),
          message: `kubernetesVersion is ${text}, which is not a whole version such as v1.36.4`,
        };
      }
    },
  },
  {
    id: 'kubeadm-version-differs',
    severity: 'error',
    title: 'documents of one cluster name different Kubernetes versions',
    why: 'kubeadm sets up only its own minor release and the one before; and a control plane of mixed versions is supported only while it is upgraded.',
    fix: 'Name one version everywhere.',
    sources: ['kubernetes.io/releases/version-skew-policy'],
    examples: {
      bad: [
        {
          'kubeadm.yaml': `${clusterConfiguration('controlPlaneEndpoint: api:6443\nkubernetesVersion: v1.36.4\n')}---\n${clusterConfiguration('controlPlaneEndpoint: api:6443\nkubernetesVersion: v1.34.2\n')}`,
        },
      ],
      good: [
        {
          'a/kubeadm.yaml': clusterConfiguration('kubernetesVersion: v1.36.4\n'),
          'b/kubeadm.yaml': clusterConfiguration('kubernetesVersion: v1.36.4\n'),
        },
      ],
    },
    *check(facts) {
      const seen = new Map<string, string>();
      for (const document of documentsOf(facts, KUBEADM, 'ClusterConfiguration')) {
        const version = textAt(document.value, ['kubernetesVersion']);
        const endpoint = textAt(document.value, ['controlPlaneEndpoint']);
        if (version === undefined || endpoint === undefined || versionOf(version) === undefined) continue;
        const first = seen.get(endpoint) ?? version;
        seen.set(endpoint, first);
        if (kubernetesMinor(first) !== kubernetesMinor(version))
          yield {
            at: document.span(['kubernetesVersion']),
            message: `kubernetesVersion is ${version} here and ${first} in another document for ${endpoint}`,
          };
      }
    },
  },
  {
    id: 'kubeadm-token-forever',
    severity: 'error',
    title: 'a bootstrap token never expires',
    why: 'Whoever finds the token in a file, a log or a shell history can add nodes to the cluster for as long as it exists.',
    fix: 'Leave ttl at 24h0m0s, and make a new token for each round of joins with kubeadm token create.',
    sources: ['kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens'],
    examples: {
      bad: [{ 'kubeadm.yaml': kubeadm('InitConfiguration', 'bootstrapTokens:\n- token: q7d2ka.1x8r4m0z6c5b9w3t\n  ttl: 0s\n') }],
      good: [{ 'kubeadm.yaml': kubeadm('InitConfiguration', 'bootstrapTokens:\n- token: q7d2ka.1x8r4m0z6c5b9w3t\n  ttl: 24h0m0s\n') }],
    },
    *check(facts) {
      for (const document of documentsOf(facts, KUBEADM, 'InitConfiguration')) {
        const listed = valueAt(document.value, ['bootstrapTokens']);
        for (const i of Array.isArray(listed) ? listed.keys() : []) {
          const path = ['bootstrapTokens', i, 'ttl'];
          const ttl = textAt(document.value, path);
          if (ttl === undefined || !/^0+(?:\.0+)?(?:h0+m0+s|m0+s|[hms])?$/.test(ttl)) continue;
          const at = document.span(path);
          yield { at, message: `ttl is ${ttl}, so the bootstrap token never expires`, edits: [{ span: at, text: '24h0m0s' }] };
        }
      }
    },
  },
  {
    id: 'kubeadm-token-sample',
    severity: 'error',
    title: "the bootstrap token is the documentation's example",
    why: 'Everybody knows it: while it is valid, anyone who reaches the API can add a node, and read what nodes may read.',
    fix: 'Make one with kubeadm token generate, or leave bootstrapTokens out, so that kubeadm makes one.',
    sources: ['kubeadm config print init-defaults'],
    examples: {
      bad: [{ 'kubeadm.yaml': kubeadm('InitConfiguration', 'bootstrapTokens:\n- token: abcdef.0123456789abcdef\n') }],
      good: [{ 'kubeadm.yaml': kubeadm('InitConfiguration', 'bootstrapTokens:\n- token: q7d2ka.1x8r4m0z6c5b9w3t\n') }],
    },
    *check(facts) {
      for (const { document, path, token } of tokens(facts))
        if (SAMPLE_TOKENS.has(token)) yield { at: document.span(path), message: `${token} is the token of the documentation` };
    },
  },
  {
    id: 'kubeadm-feature-gate-gone',
    severity: 'error',
    title: 'a feature gate that kubeadm does not know any more',
    why: 'kubeadm stops with "unrecognized feature-gate key".',
    fix: 'Remove the line: the feature is on for good, or was given up.',
    sources: ['kubernetes.io/docs/reference/setup-tools/kubeadm/kubeadm-init, feature gates'],
    examples: {
      bad: [{ 'kubeadm.yaml': clusterConfiguration('featureGates: {IPv6DualStack: true}\n') }],
      good: [{ 'kubeadm.yaml': clusterConfiguration('featureGates: {RootlessControlPlane: true}\n') }],
    },
    *check(facts) {
      // By the release that no longer knew each for certain.
      const gone: Readonly<Record<string, number>> = {
        Auditing: 13,
        CoreDNS: 14,
        DynamicKubeletConfig: 15,
        HighAvailability: 13,
        IPv6DualStack: 25,
        SelfHosting: 13,
        StoreCertsInSecrets: 13,
        SupportIPVSProxyMode: 13,
        UnversionedKubeletConfigMap: 27,
      };
      for (const document of documentsOf(facts, KUBEADM, 'ClusterConfiguration')) {
        const minor = minorFor(facts, document) ?? clusterMinor(facts);
        for (const gate of Object.keys(mapAt(document.value, ['featureGates']))) {
          const since = Object.hasOwn(gone, gate) ? (gone[gate] as number) : undefined;
          if (since !== undefined && (minor === undefined || minor >= since))
            yield { at: document.span(['featureGates', gate], 'key'), message: `kubeadm does not know the feature gate ${gate} any more` };
        }
      }
    },
  },
  {
    id: 'kubeadm-preflight-all-ignored',
    severity: 'warning',
    title: 'every preflight check is ignored',
    why: 'kubeadm goes on where it would have said that a port is taken, swap is on or the version does not fit, and fails later without saying why.',
    fix: 'Name the checks that are known not to matter, such as DirAvailable--etc-kubernetes-manifests.',
    sources: ['kubeadm init --help, --ignore-preflight-errors'],
    examples: {
      bad: [{ 'kubeadm.yaml': kubeadm('JoinConfiguration', 'nodeRegistration: {ignorePreflightErrors: [all]}\n') }],
      good: [{ 'kubeadm.yaml': kubeadm('JoinConfiguration', 'nodeRegistration: {ignorePreflightErrors: [NumCPU]}\n') }],
    },
    *check(facts) {
      for (const document of documentsOf(facts, KUBEADM, 'InitConfiguration', 'JoinConfiguration')) {
        const path = ['nodeRegistration', 'ignorePreflightErrors'];
        const listed = valueAt(document.value, path);
        const i = Array.isArray(listed) ? listed.findIndex((one) => /^all$/i.test(String(one))) : -1;
        if (i !== -1) yield { at: document.span([...path, i]), message: 'ignorePreflightErrors holds all' };
      }
    },
  },
];
