/** A client's end of a TCP connection to the shared address: with the address's own port it tells the connection from all others. */
export interface Flow {
  /** In the form of `formatIp`. */
  address: string;
  port: number;
}
