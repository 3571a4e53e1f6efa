/** Where the writers' objects are. It stays when the fleet has ended: their numbers go on from there. */
export const FLEET_NAMESPACE = 'hale-drill';

/** What the lab tells the fleet, as one JSON line on its stdin. */
export interface FleetOptions {
  /** The address under test. */
  address: string;
  port: number;
  /** Name that the server's certificate must carry. */
  serverName: string;
  caFile: string;
  /** Of a client that may create namespaces and ConfigMaps. */
  certFile: string;
  keyFile: string;
  watchers: number;
  writers: number;
  /** Of each writer; fewer where the API is slower. */
  writesPerSecond: number;
  /** Time between the requests of the client that opens a connection for each; null for none. */
  getEveryMs: number | null;
  /** setpriority(2): of a crowd whose servers run on the same cores; 0 when absent. */
  nice?: number;
  /** How long the watchers may take to catch up after the last write: longer than it takes to notice a silent connection and to open another. */
  settleMs: number;
  /** The record goes here, as one JSON document. */
  outFile: string;
}
