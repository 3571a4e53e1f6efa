/** From facts about foreign configuration to a cluster.yaml. Pure and deterministic. */
import { type Problem } from '../cluster/problems.ts';
import { readCluster } from '../cluster/read.ts';
import type { Facts } from '../doctor/facts.ts';
import type { Claim } from './claim.ts';
import { describe, type Wishes } from './describe.ts';
import type { Description } from './description.ts';
import { componentClaims } from './witness/components.ts';
import { haproxyClaims } from './witness/haproxy.ts';
import { k3sClaims } from './witness/k3s.ts';
import { keepalivedClaims } from './witness/keepalived.ts';
import { kubeVipClaims } from './witness/kube-vip.ts';
import { kubeadmClaims } from './witness/kubeadm.ts';
import { nodeLocalClaims } from './witness/node-local.ts';
import { objectClaims } from './witness/objects.ts';
import { clusterText } from './write.ts';

/** Lists of all hosts first, because hosts come in the order in which they are met. */
const WITNESSES: readonly ((facts: Facts) => Iterable<Claim>)[] = [
  haproxyClaims,
  nodeLocalClaims,
  componentClaims,
  kubeadmClaims,
  k3sClaims,
  objectClaims,
  keepalivedClaims,
  kubeVipClaims,
];

export interface Imported {
  description: Description;
  /** cluster.yaml. */
  text: string;
  /** What `hale validate` says of it, beside what is missing. */
  problems: readonly Problem[];
}

/** `file` is only what problems call the new cluster.yaml. */
export function importCluster(facts: Facts, { file, ...wishes }: Wishes & { file: string }): Imported {
  const description = describe(
    WITNESSES.flatMap((witness) => [...witness(facts)]),
    wishes,
  );
  const text = clusterText(description);
  const read = readCluster(text, file);
  return { description, text, problems: read.ok ? [] : read.problems };
}
