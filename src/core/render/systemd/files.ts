import { AUDIT_POLICY, AUTHENTICATION_CONFIG, ENCRYPTION_CONFIG } from '../paths.ts';
import type { RenderedFile } from '../file.ts';
import type { EncryptionKey } from '../secrets.ts';
import { yamlText } from '../yaml.ts';

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
  return { path: ENCRYPTION_CONFIG, text: yamlText(config), mode: 0o600 };
}

/** Health for everybody, since balancers have no credentials; everything else needs some. kubeadm's token discovery reads one ConfigMap without. */
export function authenticationConfig(): RenderedFile {
  const config = {
    apiVersion: 'apiserver.config.k8s.io/v1',
    kind: 'AuthenticationConfiguration',
    anonymous: {
      enabled: true,
      conditions: ['/livez', '/readyz', '/healthz', '/api/v1/namespaces/kube-public/configmaps/cluster-info'].map((path) => ({ path })),
    },
  };
  return { path: AUTHENTICATION_CONFIG, text: yamlText(config), mode: 0o644 };
}

const WATCHED_BY_SYSTEM = ['system:kube-controller-manager', 'system:kube-scheduler', 'system:apiserver'];

/**
 * Who did what (kubernetes.io, "Auditing"), as far as somebody will want to know: never the contents of Secrets and tokens, nothing of health checks, of
 * Leases, which are renewed all the time, and of the control plane's own reading.
 */
export function auditPolicy(): RenderedFile {
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
  return { path: AUDIT_POLICY, text: yamlText(config), mode: 0o644 };
}
