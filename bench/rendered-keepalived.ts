/** keepalived and HAProxy on the hosts of a lab, from the very files that `hale render` writes. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { assert } from '../src/base/assert.ts';
import { readCluster } from '../src/core/cluster/read.ts';
import type { Cluster } from '../src/core/cluster/schema.ts';
import { renderedHosts } from '../src/core/render/cluster.ts';
import { type Description, toDescription } from '../src/core/render/description.ts';
import { haproxyKeepalivedPart } from '../src/core/render/haproxy-keepalived/part.ts';
import { CA_COPY } from '../src/core/render/haproxy-keepalived/paths.ts';
import { all, runOrFail } from '../src/lab/command.ts';
import type { LabHost } from '../src/lab/host.ts';
import type { Lab } from '../src/lab/lab.ts';
import { PLACEHOLDER_SECRETS } from '../src/cli/cluster-secrets.ts';
import { awaitPeer } from './peer.ts';
import { requireProgram } from './program.ts';

export interface RenderedSettings {
  advertisementIntervalMs?: number;
}

const LISTENS = ['--retry', '15', '--retry-delay', '1', '--retry-connrefused', '--max-time', '20'];
const PUT = 'mkdir -p "$(dirname "$1")" && cat >"$1" && chmod "$2" "$1"';

/** Starts both on every control-plane host, waits until one host has the address and a request to it is answered, and returns that host. */
export async function startRendered(lab: Lab, settings: RenderedSettings = {}): Promise<LabHost> {
  await installRendered(lab, settings);
  await all(lab.controlPlane.map((host) => startHaproxy(host)));
  await all(lab.controlPlane.map((host) => startKeepalived(host)));
  return await awaitPeer(lab, { name: 'keepalived with HAProxy from hale render', daemons: ['haproxy', 'keepalived'] });
}

/** Puts the files and the authority's certificate where STEPS.md has them put. */
export async function installRendered(lab: Lab, settings: RenderedSettings = {}): Promise<void> {
  const { cluster, description } = renderedCluster(lab, settings);
  await all(
    renderedHosts(cluster).map(async (node) => {
      const host = lab.host(node.host.name);
      const files = haproxyKeepalivedPart.hostFiles?.({ cluster, description, node, secrets: PLACEHOLDER_SECRETS }) ?? [];
      for (const { path, text, mode } of files) {
        await runOrFail(host.command(['sh', '-c', PUT, 'sh', path, mode.toString(8)]), { input: text });
      }
      await runOrFail(host.command(['install', '-D', '-m', '644', cluster.apiserver.caFile, CA_COPY]));
    }),
  );
}

/** As the package's unit does with hale's drop-in. Returns when it listens. */
export async function startHaproxy(host: LabHost): Promise<void> {
  await runOrFail(host.command(['mkdir', '-p', '/run/haproxy']));
  await host.spawn('haproxy', [requireProgram('haproxy'), '-W', '-db', '-f', '/etc/haproxy/haproxy.cfg']);
  await runOrFail(host.command(['curl', '-fsS', ...LISTENS, 'http://127.0.0.1:8404/live']));
}

/** VRRP only: nobody here asks for IPVS, and not every kernel has it. The lab's own note of the process is /run/keepalived.pid. */
export async function startKeepalived(host: LabHost): Promise<void> {
  const how = ['--vrrp', '--dont-fork', '--log-console', '--log-detail', '--pid=/run/keepalived-own.pid'];
  await host.spawn('keepalived', [requireProgram('keepalived'), ...how, '--use-file=/etc/keepalived/keepalived.conf']);
}

/** The lab's own cluster.yaml with this provider; its API servers listen on their hosts' own addresses alone, or HAProxy on all has another port. */
function renderedCluster(lab: Lab, settings: RenderedSettings): { cluster: Cluster; description: Description } {
  const own = parse(readFileSync(join((lab.controlPlane[0] as LabHost).folder, 'etc/hale/cluster.yaml'), 'utf8')) as Record<string, object>;
  const { datapath: _, ...rest } = own;
  const description = stringify({
    ...rest,
    endpoint: { ...rest['endpoint'], provider: 'haproxy-keepalived' },
    haproxyKeepalived: settings,
  });
  const read = readCluster(description, 'cluster.yaml');
  assert(read.ok, 'the lab and this provider go together');
  return { cluster: read.cluster, description: toDescription(description) };
}
