import { createServer, type Server } from 'node:http';
import { Counter, Gauge, Registry } from '@prometheus-io/client';
import { HaleError } from '../base/error.ts';
import type { AgentStatus } from '../ports/control.ts';

function metricsOf(registry: Registry) {
  const registers = [registry];
  return {
    gauge: <L extends string = never>(name: string, help: string, labelNames: L[] = []) => new Gauge({ name, help, labelNames, registers }),
    counter: <L extends string = never>(name: string, help: string, labelNames: L[] = []) =>
      new Counter({ name, help, labelNames, registers }),
  };
}

/** Every metric of the agent of a node; the agent of a control-plane host has them too. */
export function createNodeMetrics() {
  const registry = new Registry();
  const { gauge, counter } = metricsOf(registry);
  return {
    registry,
    backendReady: gauge('hale_backend_ready', '1 while the API server of the host is ready for new connections, otherwise 0.', ['backend']),
    steered: gauge('hale_steered_connections', 'Open connections of this machine that were sent straight to an API server.'),
    steeredEnded: counter('hale_steered_connections_ended_total', 'Of those, the ones ended because their API server had died.'),
    // The library's own process metrics keep a 10 ms timer for the event loop's delay, which alone costs more than the agent.
    residentMemory: gauge('process_resident_memory_bytes', 'Resident memory of the agent.'),
    cpu: counter('process_cpu_seconds_total', 'User and system CPU time of the agent.'),
  };
}

/** Every metric of the agent; docs/reference/metrics.md lists the same names, held together by a test. */
export function createMetrics() {
  const common = createNodeMetrics();
  const { gauge, counter } = metricsOf(common.registry);
  return {
    ...common,
    holding: gauge('hale_holding', '1 while this agent holds the address, otherwise 0.'),
    term: gauge('hale_lease_term', 'Term of the lease: grows with every new holder.'),
    leaseRemaining: gauge(
      'hale_lease_remaining_seconds',
      'Time left of the lease of the holder that this agent knows; 0 when it knows none.',
    ),
    membersAlive: gauge('hale_members_alive', 'Members heard within three heartbeats, this one included.'),
    connections: gauge('hale_connections', 'Connections to the address that this host knows of.'),
    repairs: counter('hale_repairs_total', 'Times that something was put back into the kernel that another program had taken out.'),
    enforced: gauge('hale_lease_enforced', '1 when the kernel ends the lease by itself, 0 when only the agent does.'),
    guarded: gauge('hale_guarded', '1 while a guardian process stands by to move the address at once should the agent die, otherwise 0.'),
    takeovers: counter('hale_takeovers_total', 'Times that this agent became the holder.'),
    losses: counter('hale_losses_total', 'Times that this agent stopped holding, by reason.', ['reason']),
    recordOwned: gauge(
      'hale_record_owned',
      '1 while this host owns the record of `election: kubernetes` or `election: etcd`, otherwise 0.',
    ),
    recordFailures: counter('hale_record_failures_total', 'Times that the record of the election could not be read or written.'),
    rejected: counter('hale_datagrams_rejected_total', 'Datagrams that were not acted on, by reason.', ['reason']),
    conflicts: counter('hale_address_conflicts_total', 'Claims of the address by another machine while this host holds it.'),
    vrrpActive: gauge('hale_vrrp_active', '1 while this host is the active router of its virtual router (`election: vrrp`), otherwise 0.'),
    vrrpPriority: gauge('hale_vrrp_priority', 'Priority of this host as it is now; 0 while it must not hold the address.'),
    vrrpEvents: counter('hale_vrrp_events_total', 'What VRRP counted, by event, as `hale vrrp status` names them.', ['event']),
    routesAnnounced: gauge(
      'hale_routes_announced',
      '1 while this host announces routes to the address (`advertise: bgp`, `frr`, `bird`), otherwise 0; also while it drains.',
    ),
    bgpEstablished: gauge('hale_bgp_established', '1 while the session with the router is Established, otherwise 0.', ['peer']),
    bgpEvents: counter('hale_bgp_events_total', 'What BGP counted, by router and event, as `hale bgp status --json` names them.', [
      'peer',
      'event',
    ]),
    bfdUp: gauge('hale_bfd_up', '1 while the BFD session with the router is Up, otherwise 0.', ['peer']),
    bfdEvents: counter('hale_bfd_events_total', 'What BFD counted, by router and event, as `hale bgp status --json` names them.', [
      'peer',
      'event',
    ]),
    snapshotNewest: gauge(
      'hale_etcd_snapshot_newest_timestamp_seconds',
      'Unix time of the newest scheduled snapshot of etcd, as this agent last knew it while it held the address; 0 when it knows none.',
    ),
    snapshots: counter('hale_etcd_snapshots_total', 'Scheduled snapshots of etcd that this agent had taken.'),
    snapshotFailures: counter('hale_etcd_snapshot_failures_total', 'Scheduled snapshots of etcd that failed.'),
    effectFailures: counter('hale_effect_failures_total', 'Failed changes to the kernel, by kind.', ['effect']),
  };
}

export type Metrics = ReturnType<typeof createMetrics>;
export type NodeMetrics = ReturnType<typeof createNodeMetrics>;

/** What the process uses, as it is now. */
export function refreshProcess({ cpu, residentMemory }: Pick<NodeMetrics, 'cpu' | 'residentMemory'>): void {
  const { user, system } = process.cpuUsage();
  cpu.reset();
  cpu.inc((user + system) / 1e6);
  residentMemory.set(process.memoryUsage.rss());
}

/** Connections of processes on this machine. */
export function refreshSteered(
  { steered, steeredEnded }: Pick<NodeMetrics, 'steered' | 'steeredEnded'>,
  { connections, destroyed }: { connections: number; destroyed: number },
): void {
  steered.set(connections);
  steeredEnded.reset();
  steeredEnded.inc(destroyed);
}

/** As the agent is now. */
export function refreshMetrics(metrics: Metrics, status: AgentStatus): void {
  refreshProcess(metrics);
  metrics.holding.set(status.role === 'holder' ? 1 : 0);
  metrics.term.set(status.term);
  metrics.leaseRemaining.set((status.leaseRemainingMs ?? 0) / 1000);
  metrics.membersAlive.set(status.members.filter(({ alive }) => alive).length);
  metrics.connections.set(status.connections);
  metrics.enforced.set(status.endpoint.enforced ? 1 : 0);
  metrics.guarded.set(status.guarded ? 1 : 0);
  metrics.recordOwned.set(status.record?.owned ? 1 : 0);
  refreshRouting(metrics, status);
  for (const { name, state } of status.backends) metrics.backendReady.set({ backend: name }, state === 'ready' ? 1 : 0);
}

function refreshRouting(metrics: Metrics, { vrrp, routes }: AgentStatus): void {
  const { vrrpActive, vrrpPriority, vrrpEvents, routesAnnounced, bgpEstablished, bgpEvents, bfdUp, bfdEvents } = metrics;
  vrrpActive.set(vrrp?.state === 'active' ? 1 : 0);
  vrrpPriority.set(vrrp?.priority ?? 0);
  routesAnnounced.set(routes === null || routes.wanted === 'withdrawn' ? 0 : 1);
  for (const counted of [vrrpEvents, bgpEvents, bfdEvents]) counted.reset();
  for (const [event, count] of Object.entries(vrrp?.counters ?? {})) vrrpEvents.inc({ event }, count);
  for (const { address: peer, state, counters, bfd } of routes?.peers ?? []) {
    bgpEstablished.set({ peer }, state === 'Established' ? 1 : 0);
    for (const [event, count] of Object.entries(counters)) bgpEvents.inc({ peer, event }, count);
    if (bfd === null) continue;
    bfdUp.set({ peer }, bfd.state === 'Up' ? 1 : 0);
    for (const [event, count] of Object.entries(bfd.counters)) bfdEvents.inc({ peer, event }, count);
  }
}

/** Serves `GET /metrics` in the Prometheus text format. `refresh` brings gauges up to date before each answer. */
export async function openMetrics(
  metrics: Pick<NodeMetrics, 'registry'>,
  options: { host: string; port: number; refresh: () => void },
): Promise<Server> {
  const server = createServer((req, res) => {
    if (req.url !== '/metrics') return res.writeHead(404).end('see /metrics\n');
    options.refresh();
    return metrics.registry.metrics().then(
      (text) => res.writeHead(200, { 'content-type': metrics.registry.contentType }).end(text),
      (error: Error) => res.writeHead(500).end(error.message),
    );
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(
        new HaleError({
          code: 'metrics_port_in_use',
          kind: 'world',
          message: `agent.metricsAddress: cannot listen on ${options.host}:${options.port}: ${error.code ?? error.message}`,
          remedy: 'choose another agent.metricsAddress',
          cause: error,
        }),
      );
    });
    server.listen(options.port, options.host, () => resolve());
  });
  return server;
}
