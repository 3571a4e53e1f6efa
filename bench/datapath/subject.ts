import type { LabHost } from '../../src/lab/host.ts';
import type { Rig } from './rig.ts';

/** What a subject leads to. */
export interface Service {
  /** Where the servers listen, at every address of their hosts. */
  port: number;
  /** Of the shared address; another one than the servers'. */
  frontendPort: number;
  backends: readonly LabHost[];
}

/** Where the client's programs go to reach it. */
export interface Target {
  /** Several where clients choose for themselves. */
  addresses: readonly string[];
  port: number;
}

/** A way from the client to the backends. */
export interface Subject {
  name: string;
  /** Why it cannot be measured on this machine. */
  problem?(): string | undefined;
  up(rig: Rig, service: Service): Promise<Target>;
  /** Takes everything away that `up` made, also when that failed half-way. */
  down(rig: Rig): Promise<void>;
}
