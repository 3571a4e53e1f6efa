import { durationText, type Link, STAGES, type Stage } from './link.ts';

/** Two links in the wrong order. */
export interface Disorder {
  earlier: Link;
  later: Link;
  message: string;
}

/** `before` must be over before `after` begins. */
interface Order {
  before: Stage;
  after: Stage;
  why: string;
}

const ORDERS: readonly Order[] = [
  {
    before: 'backend-detected',
    after: 'address-by-check',
    why: 'a dead API server moves the address, and resets every connection, where taking one backend out would have done',
  },
  {
    before: 'backend-detected',
    after: 'graceful-stop',
    why: 'an API server that stops is gone before the balancer has noticed, so every restart refuses connections',
  },
  { before: 'etcd-election', after: 'controllers-moved', why: 'an election in etcd costs the controllers their leadership' },
  { before: 'address-by-crash', after: 'client-notices', why: 'clients give their connections up before the address is back' },
  {
    before: 'client-notices',
    after: 'node-not-ready',
    why: 'kubelets still wait on a dead connection when their nodes are called NotReady, all of them at once',
  },
  { before: 'address-by-crash', after: 'node-not-ready', why: 'nodes are called NotReady because the address is away' },
  { before: 'node-not-ready', after: 'pods-evicted', why: 'Pods are evicted from nodes that are well' },
];

/** A watch lasts 30 to 60 minutes (kube-apiserver, --min-request-timeout 1800 s), and may be silent for long. */
const WATCH_MS = 1_800_000;

/** Every pair of links whose later one can come first. */
export function disorders(links: readonly Link[]): Disorder[] {
  const pairs = ORDERS.flatMap(({ before, after, why }) => {
    // The slowest of those that must be over, against the soonest that must not have begun.
    const earlier = links.filter(({ stage }) => stage === before).toSorted((a, b) => b.toMs - a.toMs)[0];
    const later = links.filter(({ stage }) => stage === after).toSorted((a, b) => soonest(a) - soonest(b))[0];
    if (earlier === undefined || later === undefined || earlier.toMs < soonest(later)) return [];
    const message = `${STAGES[before]} after up to ${durationText(earlier.toMs)} (${earlier.who}), but ${STAGES[after]} after ${durationText(soonest(later))} (${later.who}): ${why}`;
    return [{ earlier, later, message }];
  });
  return [...pairs, ...links.filter(({ stage, toMs }) => stage === 'idle-ended' && toMs < WATCH_MS).map(cutWatch)];
}

/** When a consequence can begin. The defaults of Kubernetes are told from the last moment a node was seen to be well. */
function soonest({ stage, fromMs, toMs }: Link): number {
  if (stage === 'client-notices') return toMs;
  // Ten of the seconds lie before the failure only in the worst case; the rule that Kubernetes itself goes by is 45 s against the whole period.
  return stage === 'node-not-ready' ? fromMs + 10_000 : fromMs;
}

function cutWatch(link: Link): Disorder {
  const message = `${STAGES['idle-ended']} after ${durationText(link.toMs)} (${link.who}), but a watch lasts at least ${durationText(WATCH_MS)}: kubectl logs -f, exec and quiet watches end early, and clients list everything again`;
  return { earlier: link, later: link, message };
}
