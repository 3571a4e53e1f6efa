import { stringify } from 'yaml';

export interface KubeconfigFacts {
  clusterName: string;
  server: string;
  user: string;
  /** All PEM. */
  caPem: string;
  certPem: string;
  keyPem: string;
}

/** A kubeconfig with everything in it (kubernetes.io, "kubeconfig v1"). Secret: it holds a key. `base64` of UTF-8 text comes from the caller, because this layer has no such function. */
export function kubeconfigText(facts: KubeconfigFacts, base64: (text: string) => string): string {
  const { clusterName, server, user, caPem, certPem, keyPem } = facts;
  const context = `${user}@${clusterName}`;
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: clusterName, cluster: { server, 'certificate-authority-data': base64(caPem) } }],
    users: [{ name: user, user: { 'client-certificate-data': base64(certPem), 'client-key-data': base64(keyPem) } }],
    contexts: [{ name: context, context: { cluster: clusterName, user } }],
    'current-context': context,
  };
  return stringify(config, { lineWidth: 0, indentSeq: false, compat: 'yaml-1.1' });
}
