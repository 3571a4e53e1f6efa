/** Faults of etcd and API servers, and the order to drain. */
import { join } from 'node:path';
import { callControl } from '../../drivers/control/client.ts';
import { all } from '../command.ts';
import { AGENT_SOCKET } from '../services.ts';
import { stopDaemon } from '../stop.ts';
import type { Effects } from './effects.ts';
import { killAndRestart, signalOrFail, stopAndContinue } from './signals.ts';

export const SERVICE_EFFECTS = {
  'apiserver-kill': killAndRestart('apiserver'),
  'apiserver-hang': stopAndContinue('apiserver'),
  /** It says at /readyz that it goes, serves for some time on, and ends; asked a second time it ends at once (k8s.io/apiserver, pkg/server/signal.go). */
  'apiserver-drain': {
    apply: (_lab, host) => signalOrFail(host, { daemon: 'apiserver', signal: 'TERM' }),
    undo: async (_lab, host) => {
      if (!host.isOn()) return;
      await stopDaemon(host, 'apiserver');
      await host.restart('apiserver');
    },
  },
  /** All members, wherever they are; the host that is named only says whose holder the drill looks at. */
  'etcd-down': {
    apply: async (lab) => void (await all(lab.controlPlane.map((host) => host.kill('etcd')))),
    undo: async (lab) => void (await all(lab.controlPlane.filter((host) => host.isOn()).map((host) => host.restart('etcd')))),
  },
  // Not a fault but an order; here because a drill of it has to be undone all the same.
  drain: {
    apply: async (_lab, host) => void (await callControl(join(host.folder, AGENT_SOCKET), 'POST', '/drain')),
    undo: async (_lab, host) => {
      if (host.running('agent')) await callControl(join(host.folder, AGENT_SOCKET), 'POST', '/resume');
    },
  },
} as const satisfies Record<string, Effects>;
