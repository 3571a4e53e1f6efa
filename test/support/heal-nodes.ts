/** Nodes of a test's cluster by kwok, through the lab's link between it and the API, with a heartbeat each. */
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { openApi } from '../../src/lab/nodes/kubelets/api.ts';
import { beat } from '../../src/lab/nodes/kubelets/heartbeat.ts';
import { openLink } from '../../src/lab/nodes/kubelets/link.ts';
import { kwokConfiguration, linkKubeconfig } from '../../src/lab/nodes/kwok.ts';
import { untilWithin } from './hale.ts';
import { kubectl, type KubernetesCluster } from './kubernetes.ts';
import { LoggedProcess } from './logged-process.ts';

const READY_MS = 60_000;
const STATUSES = 'jsonpath={range .items[*]}{.metadata.name}={.status.conditions[?(@.type=="Ready")].status} {end}';

export interface HealNodes {
  /** From now on nobody renews the node's Lease, or confirms what becomes of its Pods. */
  abandon(node: string): void;
  /** It is there again, after a new boot. */
  revive(node: string): Promise<void>;
  close(): Promise<void>;
}

/** Returns when they are ready; cleans up after itself when they do not become so. */
export async function startHealNodes(
  kubernetes: KubernetesCluster,
  { names, kwok }: { names: readonly string[]; kwok: string },
): Promise<HealNodes> {
  const api = openApi(kubernetes.adminConf);
  const link = openLink(api, new Set(names));
  await once(link.server.listen(0, '127.0.0.1'), 'listening');
  const hearts = new Map<string, AbortController>();
  const connect = async (name: string): Promise<void> => {
    const uid = await kubectl(kubernetes, 'get', 'node', name, '-o', 'jsonpath={.metadata.uid}');
    const heart = new AbortController();
    hearts.set(name, heart);
    const began = () => heart.signal.aborted || link.join(name);
    void beat({ api, node: { name, uid }, signal: heart.signal, began, say: (line) => console.warn(line) });
  };
  const abandon = (name: string): void => {
    hearts.get(name)?.abort();
    link.cut(name);
  };
  const config = join(kubernetes.dir, 'kwok.yaml');
  const access = join(kubernetes.dir, 'kwok.kubeconfig');
  writeFileSync(config, kwokConfiguration({ podSubnet: '10.244.0.0/16' }));
  writeFileSync(access, linkKubeconfig((link.server.address() as AddressInfo).port));
  const argv = [kwok, `--config=${config}`, `--kubeconfig=${access}`, '--manage-all-nodes=true'];
  const process = new LoggedProcess(argv, join(kubernetes.dir, 'kwok.log'));
  process.start();
  const close = async (): Promise<void> => {
    for (const heart of hearts.values()) heart.abort();
    await process.kill();
    link.server.closeAllConnections();
    link.server.close();
  };
  try {
    await Promise.all(names.map(connect));
    await untilWithin(READY_MS, {
      look: () => kubectl(kubernetes, 'get', 'nodes', '-o', STATUSES),
      wanted: (text) => names.every((name) => text.includes(`${name}=True`)),
      what: 'nodes are ready',
    });
  } catch (error) {
    await close();
    throw error;
  }
  return {
    abandon,
    async revive(name) {
      const status = { nodeInfo: { bootID: `boot-${Date.now()}` } };
      await kubectl(kubernetes, 'patch', 'node', name, '--subresource=status', '--type=merge', '-p', JSON.stringify({ status }));
      await connect(name);
    },
    close,
  };
}
