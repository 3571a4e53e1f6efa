/** What the lab tells the watch over nodes, as one JSON line on its stdin. */
export interface HealingWatchOptions {
  address: string;
  port: number;
  /** Name that the server's certificate must carry. */
  serverName: string;
  caFile: string;
  /** Of a client that may list and watch Nodes, Pods and Events. */
  certFile: string;
  keyFile: string;
  /** Whose Pods are watched. */
  namespaces: readonly string[];
  /** The record goes here, as one JSON document. */
  outFile: string;
}
