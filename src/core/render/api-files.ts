/** Files that kube-apiserver reads, whatever sets it up; the same on every host. */
import type { Cluster } from '../cluster/schema.ts';
import type { RenderedFile } from './file.ts';
import { AUDIT_POLICY, AUTHENTICATION_CONFIG, ENCRYPTION_CONFIG } from './paths.ts';
import { kubernetesMinor } from './release.ts';
import type { EncryptionKey } from './secrets.ts';
import { explainedYaml } from './yaml.ts';

/**
 * What is encrypted in etcd (kubernetes.io, "Encrypting Confidential Data at Rest"). The first key writes; the others only read, while keys are rotated; last
 * comes `identity`, which reads what was written before encryption. The same on every host, or one cannot read what another wrote.
 */
export function encryptionConfig(keys: readonly EncryptionKey[]): RenderedFile {
  const config = {
    apiVersion: 'apiserver.config.k8s.io/v1',
    kind: 'EncryptionConfiguration',
    resources: [
      {
        resources: ['secrets'],
        providers: [{ secretbox: { keys: keys.map(({ name, secret }) => ({ name, secret })) } }, { identity: {} }],
      },
    ],
  };
  const head =
    'What is encrypted in etcd. The first key writes, all read; identity reads what was written before there was one.\nThe same on every host, and needed to read a snapshot of etcd: keep a copy with the backups.';
  return { path: ENCRYPTION_CONFIG, text: explainedYaml(head, [config]), mode: 0o600 };
}

/** The first release that can let anonymous clients read some paths alone, and the first where the format is v1 (kubernetes.io, "Authenticating"). */
const ANONYMOUS_PATHS_MINOR = 32;
const AUTHENTICATION_V1_MINOR = 34;

/** Health for everybody, since balancers have no credentials; everything else needs some. kubeadm's token discovery reads one ConfigMap without. None for a release that does not know it. */
export function authenticationConfig(cluster: Pick<Cluster, 'kubernetes'>, path = AUTHENTICATION_CONFIG): RenderedFile[] {
  const minor = kubernetesMinor(cluster);
  if (minor < ANONYMOUS_PATHS_MINOR) return [];
  const config = {
    apiVersion: `apiserver.config.k8s.io/${minor < AUTHENTICATION_V1_MINOR ? 'v1beta1' : 'v1'}`,
    kind: 'AuthenticationConfiguration',
    anonymous: {
      enabled: true,
      conditions: ['/livez', '/readyz', '/healthz', '/api/v1/namespaces/kube-public/configmaps/cluster-info'].map((to) => ({ path: to })),
    },
  };
  const head =
    'What clients without credentials may read: health, for balancers, and the ConfigMap that `kubeadm join` by token begins\nwith. Nothing else. Paths match as they stand, so /readyz/etcd is not among them.';
  return [{ path, text: explainedYaml(head, [config]), mode: 0o644 }];
}

const WATCHED_BY_SYSTEM = ['system:kube-controller-manager', 'system:kube-scheduler', 'system:apiserver'];

/**
 * Who did what (kubernetes.io, "Auditing"), as far as somebody will want to know: never the contents of Secrets and tokens, nothing of health checks, of
 * Leases, which are renewed all the time, and of the control plane's own reading.
 */
export function auditPolicy(path = AUDIT_POLICY): RenderedFile {
  const reading = ['get', 'list', 'watch'];
  const config = {
    apiVersion: 'audit.k8s.io/v1',
    kind: 'Policy',
    omitStages: ['RequestReceived'],
    rules: [
      { level: 'None', nonResourceURLs: ['/livez*', '/readyz*', '/healthz*', '/version', '/metrics', '/openapi/*'] },
      { level: 'None', resources: [{ group: 'coordination.k8s.io', resources: ['leases'] }] },
      {
        level: 'None',
        resources: [
          { group: '', resources: ['events'] },
          { group: 'events.k8s.io', resources: ['events'] },
        ],
      },
      { level: 'None', users: WATCHED_BY_SYSTEM, verbs: reading },
      {
        level: 'Metadata',
        resources: [
          { group: '', resources: ['secrets', 'configmaps', 'serviceaccounts/token'] },
          { group: 'authentication.k8s.io', resources: ['tokenreviews'] },
        ],
      },
      { level: 'None', userGroups: ['system:nodes'], verbs: reading },
      { level: 'Metadata', verbs: reading },
      {
        level: 'Request',
        resources: [{ group: '' }, { group: 'apps' }, { group: 'batch' }, { group: 'rbac.authorization.k8s.io' }, { group: 'policy' }],
      },
      { level: 'Metadata' },
    ],
  };
  const head =
    'Who did what, as far as somebody will want to know. The first rule that matches counts. Never the contents of Secrets and\ntokens; nothing of health checks, Leases and the control plane reading its own objects, which would be most of the log.';
  return { path, text: explainedYaml(head, [config]), mode: 0o644 };
}
