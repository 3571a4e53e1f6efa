import type { Effect } from './effect.ts';

/** Programs that act on a host for healing, beside its power. */
export interface Remote {
  /** Asks the host's own system to reboot, over SSH. Returns when it has taken the order. */
  reboot(host: { node: string; address: string }): Promise<Effect>;
  /** The user's command that replaces the machine behind a node; its end with status 0 is success. */
  replace(host: { node: string; address: string; bmc?: string; providerId?: string }): Promise<Effect>;
}
