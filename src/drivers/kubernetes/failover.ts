import { HaleError } from '../../base/error.ts';
import type { Kubernetes } from '../../ports/kubernetes.ts';

/** One API out of several servers of it: calls go to the first until that one gives no answer, or says that it cannot; then to the next. No call is made twice. */
export function createFailover(servers: readonly [Kubernetes, ...Kubernetes[]]): Kubernetes {
  let preferred = 0;
  return {
    async request(...call) {
      const asked = preferred;
      const next = () => {
        if (preferred === asked) preferred = (asked + 1) % servers.length;
      };
      try {
        const answer = await (servers[asked] as Kubernetes).request(...call);
        if (answer.status >= 500) next();
        return answer;
      } catch (error) {
        if (error instanceof HaleError) next();
        throw error;
      }
    },
    close: () => {
      for (const server of servers) server.close();
    },
  };
}
