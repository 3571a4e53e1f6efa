import { Command } from 'commander';
import { etcdLook } from '../../agent/heal/etcd-look.ts';
import { HEAL_LEASE } from '../../agent/heal/leadership.ts';
import { readPolicy } from '../../agent/heal/policy-source.ts';
import { HaleError } from '../../base/error.ts';
import { leasesPath, readLeaseObject, toElectionRecord } from '../../core/apiserver/lease.ts';
import type { HealPolicy } from '../../core/cluster/heal.ts';
import type { Cluster } from '../../core/cluster/schema.ts';
import { isControlPlane } from '../../core/heal/facts.ts';
import { type Plan, planHeal, signalsOf } from '../../core/heal/plan.ts';
import { rulesOf } from '../../core/heal/policy.ts';
import { PAUSED } from '../../core/heal/record.ts';
import { seenByStamps } from '../../core/heal/sight.ts';
import { verdictText } from '../../core/heal/words.ts';
import { createNodeApi } from '../../drivers/kubernetes/node-api.ts';
import type { Kubernetes } from '../../ports/kubernetes.ts';
import { table } from '../table.ts';
import { type ClusterAccess, withCluster, withClusterAccess } from './options.ts';

/** `hale heal plan`: what would be done now, and why not the rest. */
export function healPlanCommand(): Command {
  return withClusterAccess(new Command('plan'))
    .description('show what would be done to which node now, what is under way, and which brake holds the rest back')
    .option('--json', 'print one JSON document')
    .action(async (options: ClusterAccess & { json?: true }) => {
      await withCluster(options, async ({ cluster, kubernetes }) => {
        const look = await lookNow(cluster, kubernetes);
        process.stdout.write(options.json ? `${JSON.stringify(look, null, 2)}\n` : render(look));
      });
    });
}

interface HealLook {
  /** Identity of the active controller; null when nobody is. */
  active: string | null;
  dryRun: boolean;
  paused: string | null;
  plan: Plan;
}

async function lookNow(cluster: Cluster, kubernetes: Kubernetes): Promise<HealLook> {
  const api = createNodeApi({ kubernetes });
  const policy = await policyNow(cluster, kubernetes);
  const [nodes, heartbeats, lease] = [await api.nodes(), await api.heartbeats(), await leaseNow(kubernetes)];
  const rules = rulesOf(policy, { hasPower: cluster.heal.power.by !== 'none' });
  const wallMs = Date.now();
  const seen = seenByStamps({ nodes, heartbeats, signals: signalsOf(rules), wallMs });
  const etcd = nodes.some(isControlPlane) ? await etcdLook(cluster) : undefined;
  const situation = { wallMs, paused: lease.paused ?? undefined, degraded: undefined, settlingMs: 0, etcd };
  return { ...lease, dryRun: cluster.heal.dryRun, plan: planHeal({ policy, rules, situation, seen, now: wallMs }) };
}

async function policyNow(cluster: Cluster, kubernetes: Kubernetes): Promise<HealPolicy> {
  if (cluster.heal.policyFrom === 'description') return cluster.heal;
  const found = await readPolicy(kubernetes, cluster);
  if (found.ok) return found.policy;
  throw new HaleError({
    code: 'heal_policy_missing',
    kind: 'world',
    message: `heal.policyFrom is resource, but ${found.problem}`,
    remedy: 'mend the HealPolicy, or set heal.policyFrom to description',
  });
}

async function leaseNow(kubernetes: Kubernetes): Promise<Pick<HealLook, 'active' | 'paused'>> {
  const answer = await kubernetes.request('GET', `${leasesPath(HEAL_LEASE.namespace)}/${HEAL_LEASE.name}`);
  const lease = answer.status === 200 ? readLeaseObject(answer.body) : undefined;
  if (lease === undefined) return { active: null, paused: null };
  const annotations = lease.metadata['annotations'] as Record<string, string> | undefined;
  const { holderIdentity, renewTime, leaseDurationSeconds } = toElectionRecord(lease);
  const isFresh = Date.now() - Date.parse(renewTime) < leaseDurationSeconds * 1000;
  return { active: isFresh && holderIdentity !== '' ? holderIdentity : null, paused: annotations?.[PAUSED] ?? null };
}

function render({ active, dryRun, paused, plan }: HealLook): string {
  const { verdicts, total, healthy, brake } = plan;
  const who =
    active === null ? 'no controller is active (hale heal run, or heal.enabled)' : `${active} is active${dryRun ? ', in a dry run' : ''}`;
  const lines = [`${healthy} of ${total} nodes are healthy; ${who}\n`];
  if (paused !== null) lines.push(`paused by ${paused}: hale heal resume\n`);
  if (brake !== undefined) lines.push(`nothing is begun: ${brake.brake}: ${brake.text}\n`);
  if (verdicts.length === 0) return `${lines.join('')}nothing to do\n`;
  const rows = verdicts.map((verdict) => {
    const { what, why } = verdictText(verdict);
    return [verdict.node, what, why];
  });
  return `${lines.join('')}\n${table(['NODE', 'DO', 'WHY'], rows)}`;
}
