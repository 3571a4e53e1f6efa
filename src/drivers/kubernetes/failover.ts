import { HaleError } from '../../base/error.ts';
import type { Kubernetes } from '../../ports/kubernetes.ts';

/**
 * One API out of several servers of it: calls and watches go to the first until that one gives no answer, or says that it cannot; then to the next. No
 * call is made twice, and a watch that has begun stays where it is until it ends.
 */
export function createFailover(servers: readonly [Kubernetes, ...Kubernetes[]]): Kubernetes {
  let preferred = 0;
  const choose = () => {
    const asked = preferred;
    const next = () => {
      if (preferred === asked) preferred = (asked + 1) % servers.length;
    };
    return { server: servers[asked] as Kubernetes, next };
  };
  return {
    async request(...call) {
      const { server, next } = choose();
      try {
        const answer = await server.request(...call);
        if (answer.status >= 500) next();
        return answer;
      } catch (error) {
        if (error instanceof HaleError && call[2]?.signal?.aborted !== true) next();
        throw error;
      }
    },
    async watch(...call) {
      const { server, next } = choose();
      const end = await server.watch(...call);
      if (end.kind === 'failed' || end.kind === 'silent' || (end.kind === 'refused' && end.answer.status >= 500)) next();
      return end;
    },
    close: () => {
      for (const server of servers) server.close();
    },
  };
}
