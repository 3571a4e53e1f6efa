import type { DatapathPlan } from '../../src/core/balancer/plan.ts';

export type DriverName = 'proxy' | 'socket';

/** What the bench tells its child, as one JSON argument. */
export interface DriverOptions {
  name: DriverName;
  plan: DatapathPlan;
  /** Written once the datapath carries connections. */
  readyFile: string;
}
