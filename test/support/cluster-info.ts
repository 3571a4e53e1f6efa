import { createHmac } from 'node:crypto';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { createAuthority } from '../../src/drivers/pki/authority.ts';

/** An API server that knows only how to show which cluster it is of (kubernetes.io, "Bootstrap Tokens"); everything else is not found. */
export interface ClusterInfoServer {
  /** `127.0.0.1:port`. */
  address: string;
  /** Of its authority, in PEM. */
  caPem: string;
  /** Paths that were asked for. */
  asked: string[];
  close(): void;
}

const TO_CLUSTER_INFO = '/api/v1/namespaces/kube-public/configmaps/cluster-info';

export async function startClusterInfoServer(token: string): Promise<ClusterInfoServer> {
  const authority = await createAuthority({ commonName: 'kubernetes', validityDays: 1 });
  const serving = { commonName: 'kube-apiserver', dnsNames: [], ipAddresses: ['127.0.0.1'], usages: ['server'], validityDays: 1 } as const;
  const { certPem: cert, keyPem: key } = await authority.issue(serving);
  const asked: string[] = [];
  let info = '';
  const server = createServer({ cert, key }, (request, response) => {
    const path = request.url?.split('?')[0] as string;
    asked.push(path);
    const found = path === TO_CLUSTER_INFO;
    response.writeHead(found ? 200 : 404, { 'content-type': 'application/json' });
    response.end(found ? info : JSON.stringify({ apiVersion: 'v1', kind: 'Status', status: 'Failure', reason: 'NotFound', code: 404 }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  info = configMap({ kubeconfig: kubeconfig(address, authority.certPem), token });
  return { address, caPem: authority.certPem, asked, close: () => void server.close().closeAllConnections() };
}

function kubeconfig(address: string, caPem: string): string {
  const cluster = { server: `https://${address}`, 'certificate-authority-data': Buffer.from(caPem).toString('base64') };
  return JSON.stringify({ apiVersion: 'v1', kind: 'Config', clusters: [{ name: '', cluster }], contexts: [], users: [] });
}

/** Signed with the token: a JWS with its content left out (RFC 7515, appendix F). */
function configMap({ kubeconfig: content, token }: { kubeconfig: string; token: string }): string {
  const [id, secret] = token.split('.') as [string, string];
  const base64 = (text: string) => Buffer.from(text).toString('base64url');
  const header = base64(JSON.stringify({ alg: 'HS256', kid: id }));
  const signature = createHmac('sha256', secret)
    .update(`${header}.${base64(content)}`)
    .digest('base64url');
  const data = { kubeconfig: content, [`jws-kubeconfig-${id}`]: `${header}..${signature}` };
  return JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'cluster-info', namespace: 'kube-public' }, data });
}
