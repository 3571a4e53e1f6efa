import { hostname } from 'node:os';
import type { Server } from 'node:http';
import type { Cluster } from '../../core/cluster/schema.ts';
import { parseHostPort } from '../../core/cluster/values.ts';
import { rulesOf } from '../../core/heal/policy.ts';
import type { ControllerConfig } from '../../core/heal/state.ts';
import { boottime } from '../../drivers/linux/boottime.ts';
import { leave } from '../../drivers/linux/leave.ts';
import { HealController } from '../../engine/heal/controller.ts';
import type { Kubernetes } from '../../ports/kubernetes.ts';
import { createLog } from '../log.ts';
import { openMetrics } from '../metrics.ts';
import { etcdLook } from './etcd-look.ts';
import { Leadership } from './leadership.ts';
import { createHealMetrics } from './metrics.ts';
import { PolicySource } from './policy-source.ts';
import { HealReport } from './report.ts';
import { openKubernetes, openTools } from './tools.ts';

export interface RunHealOptions {
  cluster: Cluster;
  kubeconfig: string | undefined;
  dryRun: boolean;
  /** `ADDRESS:PORT`; undefined: no metrics are served. */
  metricsAddress: string | undefined;
  logLevel: string;
}

/** Runs the controller until SIGTERM or SIGINT, which let go of the Lease. What is under way stays in the nodes, for the next one. */
export async function runHeal(options: RunHealOptions): Promise<void> {
  const { cluster, kubeconfig, logLevel } = options;
  const dryRun = options.dryRun || cluster.heal.dryRun;
  const log = createLog({ level: logLevel, host: hostname() });
  const metrics = createHealMetrics();
  const kubernetes = counted(openKubernetes({ cluster, kubeconfig }), () => metrics.requests.inc());
  const tools = openTools({
    cluster,
    kubernetes,
    onProgress: (node, { pod, phase, reason }) => {
      if (phase === 'gone') metrics.evictions.inc();
      log.debug({ node, pod: `${pod.namespace}/${pod.name}`, phase, reason }, 'drain');
    },
  });
  const report = new HealReport({ api: tools.api, log, metrics, dryRun });
  const running: { leadership?: Leadership } = {};
  const controller = new HealController({
    tools,
    config: configOf(cluster, { dryRun }),
    clock: boottime,
    wallMs: Date.now,
    lookAtEtcd: () => etcdLook(cluster),
    mayAct: () => running.leadership?.owns === true,
    onNews: (news) => report.tell(news),
  });
  const refresh = () => report.refresh(controller.plan(), controller);
  const server = await serveMetrics(metrics, { metricsAddress: options.metricsAddress, refresh });
  const pause = { lease: undefined as string | undefined, policy: undefined as string | undefined };
  const say = () => controller.setPaused(pause.lease ?? pause.policy);
  const policy =
    cluster.heal.policyFrom === 'description'
      ? undefined
      : new PolicySource({
          cluster,
          kubernetes,
          log,
          onPolicy: (found) => {
            pause.policy = found.ok ? undefined : `the lack of a policy: ${found.problem}`;
            if (found.ok)
              controller.setConfig({
                ...configOf(cluster, { dryRun }),
                policy: found.policy,
                rules: rulesOf(found.policy, powerOf(cluster)),
              });
            say();
          },
        });
  // Until it was read: what nobody wrote is not followed.
  if (policy !== undefined) pause.policy = 'the policy, which was not read yet';
  say();
  const leadership = new Leadership({
    kubernetes,
    log,
    onActive: (active) => controller.setActive(active),
    onPaused: (by) => {
      pause.lease = by;
      say();
    },
  });
  running.leadership = leadership;
  log.info({ cluster: cluster.name, dryRun, policy: cluster.heal.policyFrom, power: tools.power?.name ?? 'none' }, 'heal started');
  endsBySignal(async (signal) => {
    log.info({ signal }, 'stopping');
    policy?.stop();
    controller.stop();
    await leadership.stop();
    server?.close();
    kubernetes.close();
  });
}

function counted(kubernetes: Kubernetes, count: () => void): Kubernetes {
  return {
    request: (...call) => {
      count();
      return kubernetes.request(...call);
    },
    watch: (...call) => {
      count();
      return kubernetes.watch(...call);
    },
    close: () => kubernetes.close(),
  };
}

function powerOf({ heal }: Cluster): { hasPower: boolean } {
  return { hasPower: heal.power.by !== 'none' };
}

function configOf(cluster: Cluster, { dryRun }: { dryRun: boolean }): ControllerConfig {
  return { policy: cluster.heal, rules: rulesOf(cluster.heal, powerOf(cluster)), dryRun };
}

async function serveMetrics(
  metrics: ReturnType<typeof createHealMetrics>,
  { metricsAddress, refresh }: { metricsAddress: string | undefined; refresh: () => void },
): Promise<Server | undefined> {
  if (metricsAddress === undefined) return undefined;
  return await openMetrics(metrics, { ...(parseHostPort(metricsAddress) as { host: string; port: number }), refresh });
}

function endsBySignal(stop: (signal: string) => Promise<void>): void {
  let stopping = false;
  const onSignal = (signal: string) => {
    if (stopping) leave(1);
    stopping = true;
    stop(signal).then(
      () => leave(0),
      () => leave(1),
    );
  };
  process.on('SIGTERM', () => onSignal('SIGTERM'));
  process.on('SIGINT', () => onSignal('SIGINT'));
}
