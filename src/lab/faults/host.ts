/** Faults of a whole host. */
import type { Effects } from './effects.ts';
import { others } from './network.ts';

export const HOST_EFFECTS = {
  crash: { apply: (_lab, host) => host.powerOff(), undo: (_lab, host) => host.boot() },
  freeze: {
    apply: (_lab, host) => host.signalAll('STOP'),
    undo: (_lab, host) => {
      if (host.isOn()) host.signalAll('CONT');
    },
  },
  /**
   * Like a virtual machine that is paused: nothing in it runs and its kernel answers nothing. The kernel itself cannot be stopped here,
   * so the switch drops every frame from and to it instead, and its timers run on, where those of a paused machine would stand still.
   */
  suspend: {
    apply: async (lab, host) => {
      const rest = others(lab, host, { withClient: true });
      await lab.lan.cut(`suspend-${host.name}`, [
        { from: [host.name], to: rest },
        { from: rest, to: [host.name] },
      ]);
      host.signalAll('STOP');
    },
    // The link first: a machine that wakes is reachable before any of its processes has run.
    undo: async (lab, host) => {
      await lab.lan.mend(`suspend-${host.name}`);
      if (host.isOn()) host.signalAll('CONT');
    },
  },
} as const satisfies Record<string, Effects>;
