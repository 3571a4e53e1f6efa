import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import { EXIT_FINDING } from '../base/error.ts';
import { apiserverTargets } from '../core/cluster/names.ts';
import type { Cluster } from '../core/cluster/schema.ts';
import { alarmsOf, alarmText } from '../core/etcd/alarms.ts';
import type { EtcdEndpointStatus } from '../core/etcd/rows.ts';
import { snapshotProblem } from '../core/etcd/snapshot/last-save.ts';
import { certificateProblems } from '../core/pki/certificate.ts';
import { PKI_DIR } from '../core/render/paths.ts';
import { accessOf } from '../drivers/etcd/access.ts';
import { readControlPlane } from '../drivers/kubernetes/control-plane.ts';
import { readCertificates } from '../drivers/pki/read.ts';
import { newestSnapshot } from '../engine/etcd/newest-snapshot.ts';
import type { NodeStatus } from '../ports/control.ts';
import { askAgent } from './ask-agent.ts';
import { readEtcdRows } from './etcd/read-rows.ts';
import { DEFAULT_CONFIG, readClusterFile } from './read-cluster.ts';
import { withEtcd } from './etcd/options.ts';
import { isNode, renderNodeStatus, renderStatus, type Status } from './render-status.ts';
import { statusFindings } from './status-findings.ts';
import { addDeepOptions, type DeepOptions, showDeep } from './status-deep.ts';

const WATCH_INTERVAL_MS = 1000;
/** As long as a member may take for its status. */
const SNAPSHOT_TIMEOUT_MS = 2000;

interface StatusOptions extends DeepOptions {
  config: string;
  watch?: true;
}

/** `hale status`: who answers for the address and why, as this host's agent sees it, with the control plane behind; on a node, where its connections go. */
export function statusCommand(): Command {
  return addDeepOptions(new Command('status'))
    .description(
      'show holder, lease, members and backends, as the agent of this host sees them, with API servers, who leads the controllers, etcd and certificates; on a node, where its connections go',
    )
    .option('--config <file>', 'cluster description', DEFAULT_CONFIG)
    .option('--watch', 'show it again every second')
    .option('--json', 'print one JSON document; with --watch one a line')
    .action(async (options: StatusOptions) => {
      const cluster = readClusterFile(options.config);
      if (options.deep) return await showDeep(cluster, options);
      do {
        const status = await readStatus(cluster);
        show(status, options);
        if (isNode(status) ? status.steeredTo.length === 0 || status.problem !== null : status.findings.length > 0)
          process.exitCode = EXIT_FINDING;
        if (options.watch) await sleep(WATCH_INTERVAL_MS);
      } while (options.watch);
    });
}

async function readStatus(cluster: Cluster): Promise<Status | NodeStatus> {
  const status = await askAgent();
  // A node has no certificate for etcd, and no credentials.
  if (isNode(status)) return status;
  const [etcd, controlPlane, snapshot] = await Promise.all([
    readEtcdRows(accessOf(cluster)),
    readControlPlane(controlPlaneOf(cluster)),
    snapshotFinding(cluster),
  ]);
  const certificates = certificateFindings(cluster);
  const known = { ...status, etcd, etcdAlarms: alarmTexts(cluster, etcd), snapshot, controlPlane, certificates };
  return { ...known, findings: statusFindings(known) };
}

/** Null when nothing is wrong with the newest snapshot, and when etcd does not say: that is told of etcd itself. */
async function snapshotFinding(cluster: Cluster): Promise<string | null> {
  const { everyMinutes, alertAfterMinutes } = cluster.etcd.snapshots;
  if (everyMinutes === undefined && alertAfterMinutes === undefined) return null;
  try {
    const record = await withEtcd({ access: accessOf(cluster), timeoutMs: SNAPSHOT_TIMEOUT_MS }, newestSnapshot);
    const problem = snapshotProblem(record, { nowMs: Date.now(), ...cluster.etcd.snapshots });
    return problem === undefined ? null : `${problem.says}: ${problem.wayOut}`;
  } catch {
    return null;
  }
}

/** A member of stacked etcd is called by its host. */
function alarmTexts(cluster: Cluster, rows: readonly EtcdEndpointStatus[]): string[] {
  const hosts = cluster.controlPlane.hosts.map(({ name }) => name);
  return alarmsOf(rows.flatMap(({ member }) => member ?? [])).map((alarm) => {
    const at = rows.findIndex(({ member }) => member?.memberId === alarm.memberId);
    return alarmText(alarm, cluster.etcd.topology === 'stacked' ? hosts[at] : rows[at]?.endpoint);
  });
}

function controlPlaneOf(cluster: Cluster) {
  return { targets: apiserverTargets(cluster), kubeconfig: cluster.kubernetes.kubeconfig, caFile: cluster.apiserver.caFile };
}

/** What is wrong with this host's certificates, such as that one ends soon; where there are none, k3s for one keeps its own elsewhere. */
function certificateFindings(cluster: Cluster): string[] {
  const options = { nowMs: Date.now(), days: cluster.thresholds.certificateDays, cluster };
  return existsSync(PKI_DIR)
    ? readCertificates(PKI_DIR).flatMap((file) => certificateProblems(file, options).map(({ text }) => `${file.name}: ${text}`))
    : [];
}

function show(status: Status | NodeStatus, options: StatusOptions): void {
  if (options.json) process.stdout.write(`${JSON.stringify(status, null, options.watch ? undefined : 2)}\n`);
  else
    process.stdout.write(
      `${options.watch && process.stdout.isTTY ? '\u001b[2J\u001b[H' : ''}${isNode(status) ? renderNodeStatus(status) : renderStatus(status)}`,
    );
}
