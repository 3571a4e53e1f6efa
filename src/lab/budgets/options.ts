/** What the lab tells the watch over budgets, as one JSON line on its stdin. */
export interface BudgetWatchOptions {
  address: string;
  port: number;
  /** Name that the server's certificate must carry. */
  serverName: string;
  caFile: string;
  /** Of a client that may list and watch Pods and PodDisruptionBudgets. */
  certFile: string;
  keyFile: string;
  /** How long it goes on after it was told to stop, for what is still on its way. */
  settleMs: number;
  /** The record goes here, as one JSON document. */
  outFile: string;
}
