/**
 * Connections that are over for this host, whose kernel still answers for them with an ACK (TIME-WAIT, RFC 9293 section 3.10.7.8). A client that has
 * used its port again since, for a connection to another host that is gone, would never be reset by such an answer.
 */
import { setImmediate as others } from 'node:timers/promises';
import { familyOf } from '../../base/address.ts';
import { type Flow, flowKey } from '../../core/balancer/flow.ts';
import { done, type Effect } from '../../ports/effect.ts';
import type { SockDiag, TcpSocket } from './sock-diag.ts';

export interface EndedOptions {
  diag: SockDiag;
  /** Where clients connect to: at most one of each family. */
  frontends: readonly { address: string; port: number }[];
  /** Clients whose connections to the frontends are known to have ended elsewhere since. */
  flows: readonly Flow[];
}

/** Forgets what is in TIME-WAIT here of these clients. Needs CAP_NET_ADMIN and a kernel that destroys such sockets; other work goes on meanwhile. */
export function forgetEnded({ diag, frontends, flows }: EndedOptions): Promise<Effect> {
  const clients = new Set(flows.map(flowKey));
  return destroyAll({ diag, frontends }, { state: 'TIME_WAIT' }, ({ remote }) => clients.has(flowKey(remote)));
}

/** Ends every connection to the frontends on this host: their clients have been led to other hosts, and know nothing of these any more. */
export function endAll(options: Pick<EndedOptions, 'diag' | 'frontends'>): Promise<Effect> {
  return destroyAll(options, { established: true }, () => true);
}

async function destroyAll(
  { diag, frontends }: Pick<EndedOptions, 'diag' | 'frontends'>,
  which: { state: 'TIME_WAIT' } | { established: true },
  isMeant: (socket: TcpSocket) => boolean,
): Promise<Effect> {
  let outcome = done;
  for (const local of frontends) {
    const slices = diag.slices({ family: familyOf(local.address) === 'IPv4' ? 4 : 6, local, ...which });
    for (let step = slices.next(); ; step = slices.next()) {
      if (step.done) {
        if (!step.value.ok) outcome = step.value;
        break;
      }
      for (const socket of step.value.filter(isMeant)) {
        const destroyed = diag.destroy(socket);
        if (!destroyed.ok && destroyed.reason !== 'ENOENT') outcome = destroyed;
      }
      await others();
    }
  }
  return outcome;
}
