import type { Server } from 'node:http';
import { hostname } from 'node:os';
import { HaleError } from '../base/error.ts';
import { healthProfiles } from '../core/balancer/timing.ts';
import type { Target } from '../core/balancer/plan.ts';
import { apiserverTargets } from '../core/cluster/names.ts';
import type { Cluster } from '../core/cluster/schema.ts';
import { parseHostPort } from '../core/cluster/values.ts';
import { HttpsReadiness } from '../drivers/kubernetes/readiness.ts';
import { boottime } from '../drivers/linux/boottime.ts';
import { leave } from '../drivers/linux/leave.ts';
import type { SocketSteering } from '../drivers/linux/socket/steering.ts';
import { HealthEngine } from '../engine/health.ts';
import { CONTROL_SOCKET, type NodeStatus } from '../ports/control.ts';
import type { Log } from '../ports/log.ts';
import { openControl } from './control.ts';
import { createLog } from './log.ts';
import { createNodeMetrics, type NodeMetrics, openMetrics, refreshProcess, refreshSteered } from './metrics.ts';
import { refuseMember } from './self.ts';
import { steerSockets } from './socket-steering.ts';

/** How often it is looked whether somebody removed what this agent put into the kernel. */
const RECONCILE_MS = 5000;

/** Runs the agent of a node until SIGTERM or SIGINT, which leave the kernel as it is: connections go on as they were steered last. */
export async function runNode(options: { cluster: Cluster; file: string; logLevel: string }): Promise<void> {
  const { cluster, file } = options;
  refuseMember(cluster, file);
  const log = createLog({ level: options.logLevel, host: hostname() });
  const running: { node?: NodeAgent } = {};
  const control = await openControl(CONTROL_SOCKET, { status: () => running.node?.status() ?? null });
  const node = await NodeAgent.start(cluster, log);
  running.node = node;
  log.info({ cluster: cluster.name, profile: cluster.agent.profile }, 'node agent started');
  const stop = (signal: string) => {
    log.info({ signal }, 'stopping; connections go on as they were steered last');
    node.stop();
    control.close();
    leave(0);
  };
  process.on('SIGTERM', () => stop('SIGTERM'));
  process.on('SIGINT', () => stop('SIGINT'));
}

/** The daemon of a machine that is no control-plane host: asks the API servers whether they are ready, and steers this machine's connections. */
class NodeAgent {
  readonly #cluster: Cluster;
  readonly #log: Log;
  readonly #targets: readonly Target[];
  readonly #steering: SocketSteering;
  readonly #health: HealthEngine;
  readonly #metrics: NodeMetrics = createNodeMetrics();
  readonly #reconciling: NodeJS.Timeout;
  #metricsServer: Server | undefined;

  private constructor(cluster: Cluster, { log, steering }: { log: Log; steering: SocketSteering }) {
    this.#cluster = cluster;
    this.#log = log;
    this.#steering = steering;
    this.#targets = apiserverTargets(cluster);
    this.#health = new HealthEngine({
      targets: this.#targets,
      timing: healthProfiles[cluster.agent.profile],
      clock: boottime,
      probe: new HttpsReadiness({ caFile: cluster.apiserver.caFile }),
      onChange: (target, { state, reason }) => {
        log.info({ backend: target.name, state, reason }, 'backend changed');
        this.#apply();
      },
    });
    this.#reconciling = setInterval(() => this.#reconcile(), RECONCILE_MS);
  }

  /** Throws HaleError `steering_unavailable`, or that the metrics' port is in use. */
  static async start(cluster: Cluster, log: Log): Promise<NodeAgent> {
    const opened = steerSockets({ cluster, log });
    if (!opened.ok) {
      throw new HaleError({
        code: 'steering_unavailable',
        kind: 'world',
        message: `connections of this machine cannot be steered: ${opened.reason}`,
        remedy: 'run it as root on Linux 5.14 or newer with cgroup v2; without it, connections go to the shared address, as they do now',
      });
    }
    const node = new NodeAgent(cluster, { log, steering: opened.steering });
    const { host, port } = parseHostPort(cluster.agent.metricsAddress) as { host: string; port: number };
    node.#metricsServer = await openMetrics(node.#metrics, { host, port, refresh: () => node.#refreshMetrics() });
    return node;
  }

  stop(): void {
    clearInterval(this.#reconciling);
    this.#health.stop();
    this.#steering.close();
    this.#metricsServer?.close();
  }

  #apply(): void {
    this.#steering.apply({ backends: this.#targets.map((target) => ({ ...target, state: this.#health.of(target.name).state })) });
  }

  #reconcile(): void {
    for (const mended of this.#steering.reconcile()) this.#log.warn({ mended }, 'somebody changed what hale had put into the kernel');
  }

  #refreshMetrics(): void {
    const { backendReady } = this.#metrics;
    refreshProcess(this.#metrics);
    refreshSteered(this.#metrics, { connections: this.#steering.connections(), destroyed: this.#steering.destroyed() });
    for (const { name } of this.#targets) backendReady.set({ backend: name }, this.#health.of(name).state === 'ready' ? 1 : 0);
  }

  status(): NodeStatus {
    const { name: cluster, endpoint } = this.#cluster;
    const now = boottime.now();
    return {
      cluster,
      host: hostname(),
      role: 'node',
      endpoint: { addresses: endpoint.addresses, port: endpoint.port },
      steeredTo: this.#steering.chosen(),
      problem: this.#steering.problem() ?? null,
      backends: this.#targets.map(({ name, address }) => {
        const { state, reason, since } = this.#health.of(name);
        return { name, address, state, reason, sinceMs: Math.round(now - since) };
      }),
      connections: this.#steering.connections(),
    };
  }
}
