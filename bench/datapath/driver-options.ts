import type { DatapathPlan } from '../../src/core/balancer/plan.ts';

export type DriverName = 'dsr' | 'ipvs' | 'nat' | 'proxy' | 'socket';

/** What the bench tells its child, as one JSON argument. */
export interface DriverOptions {
  name: DriverName;
  plan: DatapathPlan;
  /** Whether this host holds the address. */
  holds: boolean;
  /** Written once the datapath carries connections. */
  readyFile: string;
}
