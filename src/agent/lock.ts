import { statSync } from 'node:fs';
import { hostPort } from '../base/address.ts';
import type { Cluster, ClusterHost } from '../core/cluster/schema.ts';
import { createEtcdClient } from '../drivers/etcd/client.ts';
import { createEtcdLock, type EtcdSource } from '../drivers/etcd/lock.ts';
import { readEtcdTls } from '../drivers/etcd/tls.ts';
import { createKubernetesClient } from '../drivers/kubernetes/client.ts';
import { createFailover } from '../drivers/kubernetes/failover.ts';
import { createLeaseLock } from '../drivers/kubernetes/lease-lock.ts';
import type { Etcd } from '../ports/etcd.ts';
import type { Kubernetes } from '../ports/kubernetes.ts';
import type { Lock } from '../ports/lock.ts';
import type { Self } from './self.ts';

const CALL_MS_MAX = 2000;

/** The record that `election` names; undefined with `quorum`. The servers of the hosts themselves are asked, this host's first, never the address that depends on the answer. */
export function openLock(cluster: Cluster, self: Self): Lock | undefined {
  const { election, lease, name } = cluster;
  // A server that does not answer must leave time to ask another before the deadline.
  const timeoutMs = Math.min(CALL_MS_MAX, (lease.renewDeadlineSeconds * 1000) / 2);
  const { hosts } = cluster.controlPlane;
  const fromHere = hosts
    .map((_, i) => hosts[(self.index + i) % hosts.length] as ClusterHost)
    .map((host) => host.addresses[0]?.address as string);
  if (election === 'etcd')
    return createEtcdLock({ etcd: new EtcdOfToday(cluster, { addresses: fromHere, timeoutMs }), cluster: name, name: lease.name });
  if (election !== 'kubernetes') return undefined;
  const { port } = cluster.apiserver;
  const servers = fromHere.map((host) => createKubernetesClient({ kubeconfig: cluster.kubernetes.kubeconfig, connectTo: { host, port } }));
  const kubernetes = createFailover(servers as [Kubernetes, ...Kubernetes[]]);
  return createLeaseLock({ kubernetes, namespace: lease.namespace, name: lease.name, timeoutMs });
}

/** A client with the certificate of today: an agent runs for longer than a certificate lasts. */
class EtcdOfToday implements EtcdSource {
  readonly #etcd: Cluster['etcd'];
  readonly #endpoints: readonly string[];
  readonly #timeoutMs: number;
  #opened: { client: Etcd; stamp: string } | undefined;

  constructor({ etcd }: Cluster, { addresses, timeoutMs }: { addresses: readonly string[]; timeoutMs: number }) {
    this.#etcd = etcd;
    this.#endpoints =
      etcd.topology === 'external' ? etcd.endpoints : addresses.map((address) => `https://${hostPort(address, etcd.clientPort)}`);
    this.#timeoutMs = timeoutMs;
  }

  /** Throws when the files cannot be read; the client of before stays open until there is another. */
  current(): Etcd {
    const { caFile, certFile, keyFile } = this.#etcd;
    const stamp = [caFile, certFile, keyFile].map((file) => statSync(file).mtimeMs).join(' ');
    if (this.#opened?.stamp === stamp) return this.#opened.client;
    const client = createEtcdClient({ endpoints: this.#endpoints, tls: readEtcdTls(this.#etcd), timeoutMs: this.#timeoutMs });
    this.close();
    this.#opened = { client, stamp };
    return client;
  }

  close(): void {
    this.#opened?.client.close();
  }
}
