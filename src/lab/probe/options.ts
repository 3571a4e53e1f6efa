/** What the lab tells a probe, as one JSON line on its stdin. */
export interface ProbeOptions {
  /** The address under test. */
  address: string;
  port: number;
  /** Name that the server's certificate must carry. */
  serverName: string;
  caFile: string;
  /** A request over a new connection begins this often. */
  intervalMs: number;
  /** A request without its whole answer by then has failed. */
  timeoutMs: number;
  /** Long-lived connections beside the requests. */
  connections: number;
  /** Records go here, one JSON document a line. */
  outFile: string;
  /** Absent: requests and connections only, which needs no rights. */
  observer?: ObserverOptions;
}

export interface ObserverOptions {
  /** The client's interface towards the hosts. */
  interface: string;
  /**
   * An unused address of the same subnet and family, from which the observer asks and knocks. Were it the client's own, the answers would
   * refresh the client's neighbour cache, and a takeover that nobody announced would go unnoticed.
   */
  address: string;
  hosts: { name: string; mac: string }[];
}
