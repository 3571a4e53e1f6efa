import { stringify } from 'yaml';
import { openKubeconfig } from './current-context.ts';

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

/** The same kubeconfig with another certificate and server in its current context; everything else in it stays. Undefined when it cannot be read. */
export function renewKubeconfig(
  yaml: string,
  facts: Omit<KubeconfigFacts, 'clusterName' | 'user'> & { base64(text: string): string },
): string | undefined {
  const opened = openKubeconfig(yaml);
  if (!opened.ok) return undefined;
  const { document, cluster, user } = opened;
  const { server, caPem, certPem, keyPem, base64 } = facts;
  document.setIn([...cluster.path, 'server'], server);
  for (const [path, file, data] of [
    [cluster.path, 'certificate-authority', caPem],
    [user.path, 'client-certificate', certPem],
    [user.path, 'client-key', keyPem],
  ] as const) {
    document.deleteIn([...path, file]);
    document.setIn([...path, `${file}-data`], base64(data));
  }
  return document.toString({ lineWidth: 0, indentSeq: false });
}
