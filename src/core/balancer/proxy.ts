/** Settings of the `proxy` datapath that are the operator's. */
export interface ProxySettings {
  /** Clients at the same time; more are reset. */
  maxConnections: number;
  /** Whether backends are told the client's address before its bytes. */
  proxyProtocol: 'off' | 'v2';
}

/** As many connections as the largest cluster that Kubernetes is tested with needs: 5000 nodes with a kubelet, kube-proxy, a network plugin and one more client each. */
export const defaultProxySettings: ProxySettings = { maxConnections: 20_000, proxyProtocol: 'off' };
