/** What the lab tells a probe, as one JSON line on its stdin. */
export interface ProbeOptions {
  /** The address under test. */
  address: string;
  port: number;
  /** Name that the server's certificate must carry. */
  serverName: string;
  caFile: string;
  /** A request over a new connection begins this often, on time: the probe takes a real-time class. Null: no requests, an ordinary process. */
  intervalMs: number | null;
  /** A request without its whole answer by then has failed. */
  timeoutMs: number;
  /** Long-lived connections beside the requests. */
  connections: number;
  /** Records go here, one JSON document a line. */
  outFile: string;
}

/** What the lab tells a watch, in the same way. */
export interface WatchOptions {
  /** The address under test. */
  address: string;
  port: number;
  /** The client's interface towards the hosts. */
  interface: string;
  /**
   * An unused address of the same subnet and family, from which it asks and knocks. Were it the client's own, the answers would
   * refresh the client's neighbour cache, and a takeover that nobody announced would go unnoticed.
   */
  source: string;
  hosts: { name: string; mac: string }[];
  outFile: string;
}
