/** Which clients' connections to the shared address end on this host's kernel, whoever serves them: an API server, or the proxy. */
import { familyOf } from '../../base/address.ts';
import { done } from '../../ports/effect.ts';
import type { FlowSource } from '../../ports/flows.ts';
import type { SockDiag } from './sock-diag.ts';

export interface LocalFlowsOptions {
  diag: SockDiag;
  /** Where clients connect to: at most one of each family. */
  frontends: readonly { address: string; port: number }[];
}

/**
 * Flows are connections after their handshake and before their end: also those that one side has closed, as the other may wait for the
 * rest. A half-open one is not: its client still sends its SYN again, and meets whoever serves then.
 */
export function localFlows({ diag, frontends }: LocalFlowsOptions): FlowSource {
  return {
    *list() {
      for (const local of frontends) {
        const slices = diag.slices({ family: familyOf(local.address) === 'IPv4' ? 4 : 6, local, established: true });
        for (let step = slices.next(); ; step = slices.next()) {
          if (!step.done) {
            // Of this host itself come connections from the address to the address: they end with the host, and no other could reach them.
            yield step.value.map(({ remote }) => remote).filter(({ address }) => address !== local.address);
          } else if (step.value.ok) break;
          else return step.value;
        }
      }
      return done;
    },
  };
}
