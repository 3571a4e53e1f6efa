import { parseDocument, stringify } from 'yaml';
import * as z from 'zod';

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

/** Something that a kubeconfig holds in base64, or names the file of; the data counts where both are there (client-go, clientcmd). */
export type Source = { base64: string } | { file: string } | undefined;

/** What the current context of a kubeconfig leads to. */
export interface Kubeconfig {
  server: string;
  authority: Source;
  certificate: Source;
  key: Source;
}

const text = z.string().min(1).exactOptional();
const config = z.object({
  'current-context': z.string(),
  contexts: z.array(z.object({ name: z.string(), context: z.object({ cluster: z.string(), user: z.string() }) })),
  clusters: z.array(
    z.object({
      name: z.string(),
      cluster: z.object({ server: z.string(), 'certificate-authority-data': text, 'certificate-authority': text }),
    }),
  ),
  users: z.array(
    z.object({
      name: z.string(),
      user: z.object({ 'client-certificate-data': text, 'client-certificate': text, 'client-key-data': text, 'client-key': text }),
    }),
  ),
});

/** The current context of a kubeconfig; undefined when the text is none, or has no current context. */
export function parseKubeconfig(yaml: string): Kubeconfig | undefined {
  const current = currentContext(yaml);
  if (current === undefined) return undefined;
  const { cluster, user } = current;
  return {
    server: cluster.server,
    authority: source(cluster['certificate-authority-data'], cluster['certificate-authority']),
    certificate: source(user['client-certificate-data'], user['client-certificate']),
    key: source(user['client-key-data'], user['client-key']),
  };
}

function source(base64: string | undefined, file: string | undefined): Source {
  if (base64 !== undefined) return { base64 };
  return file === undefined ? undefined : { file };
}

function currentContext(yaml: string) {
  const document = parseDocument(yaml);
  if (document.errors.length > 0) return undefined;
  // Aliases are expanded here, and a bomb of them throws.
  const read = config.safeParse(attempt(() => document.toJS() as unknown));
  if (!read.success) return undefined;
  const context = read.data.contexts.find(({ name }) => name === read.data['current-context'])?.context;
  const cluster = read.data.clusters.findIndex(({ name }) => name === context?.cluster);
  const user = read.data.users.findIndex(({ name }) => name === context?.user);
  if (cluster === -1 || user === -1) return undefined;
  return {
    document,
    cluster: read.data.clusters[cluster]?.cluster as (typeof read.data.clusters)[number]['cluster'],
    user: read.data.users[user]?.user as (typeof read.data.users)[number]['user'],
    at: { cluster: ['clusters', cluster, 'cluster'], user: ['users', user, 'user'] },
  };
}

function attempt<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}

/** The same kubeconfig with another certificate and server in its current context; everything else in it stays. Undefined as `parseKubeconfig`. */
export function renewKubeconfig(
  yaml: string,
  facts: Omit<KubeconfigFacts, 'clusterName' | 'user'> & { base64(text: string): string },
): string | undefined {
  const current = currentContext(yaml);
  if (current === undefined) return undefined;
  const { document, at } = current;
  const { server, caPem, certPem, keyPem, base64 } = facts;
  document.setIn([...at.cluster, 'server'], server);
  for (const [path, file, data] of [
    [at.cluster, 'certificate-authority', caPem],
    [at.user, 'client-certificate', certPem],
    [at.user, 'client-key', keyPem],
  ] as const) {
    document.deleteIn([...path, file]);
    document.setIn([...path, `${file}-data`], base64(data));
  }
  return document.toString({ lineWidth: 0, indentSeq: false });
}
