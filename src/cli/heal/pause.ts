import { hostname, userInfo } from 'node:os';
import { Command } from 'commander';
import { HEAL_LEASE } from '../../agent/heal/leadership.ts';
import { HaleError } from '../../base/error.ts';
import { leasesPath } from '../../core/apiserver/lease.ts';
import { refusalText } from '../../core/apiserver/refusal.ts';
import { PAUSED } from '../../core/heal/record.ts';
import { type ClusterAccess, withCluster, withClusterAccess } from './options.ts';

/** `hale heal pause`: nothing is begun, and nothing gone on with, until it is resumed. */
export function healPauseCommand(): Command {
  return withClusterAccess(new Command('pause'))
    .description('have every controller begin nothing, and hold what is under way before its next step')
    .argument('<reason>', 'why, for those who wonder')
    .action(async (reason: string, options: ClusterAccess) => {
      const by = `${userInfo().username}@${hostname()} since ${new Date().toISOString()}: ${reason}`;
      await setPaused(options, by);
      process.stdout.write(`paused by ${by}\nhale heal resume ends that\n`);
    });
}

/** `hale heal resume`. */
export function healResumeCommand(): Command {
  return withClusterAccess(new Command('resume'))
    .description('end a pause')
    .action(async (options: ClusterAccess) => {
      await setPaused(options, null);
      process.stdout.write('resumed\n');
    });
}

/** An annotation of the controllers' Lease, which the active one reads anew every two seconds. */
function setPaused(options: ClusterAccess, by: string | null): Promise<void> {
  return withCluster(options, async ({ kubernetes }) => {
    const { namespace, name } = HEAL_LEASE;
    const path = leasesPath(namespace);
    const metadata = { name, namespace, annotations: { [PAUSED]: by } };
    let answer = await kubernetes.request('PATCH', `${path}/${name}`, { body: { metadata } });
    if (answer.status === 404 && by === null) return;
    // No controller has run yet; those that will find the pause.
    if (answer.status === 404) {
      const lease = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata, spec: {} };
      answer = await kubernetes.request('POST', path, { body: lease });
    }
    if (answer.status === 200 || answer.status === 201) return;
    throw new HaleError({
      code: 'heal_not_paused',
      kind: 'world',
      message: `the Lease ${namespace}/${name} cannot be changed: ${refusalText(answer)}`,
      remedy: 'use credentials that may change Leases there (--kubeconfig)',
    });
  });
}
