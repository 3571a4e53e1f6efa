/** BIRD on the host of a lab's client, which so is the router between its client and the control-plane hosts. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { HaleError } from '../base/error.ts';
import { runOrFail } from './command.ts';
import { findProgram } from './find-program.ts';
import { writePlain } from './folder.ts';
import type { Lab } from './lab.ts';
import type { LabSettings } from './plan.ts';

/** The first address of the client's host in a lab with IPv4. */
export const LAB_ROUTER = '10.66.0.200';
const LAB_ROUTER_AS = 65_001;
/** Of `hale lab up --advertise bgp`. */
export const LAB_BFD_MS = 50;
const CONTROL = '/run/bird.ctl';
const TIMEOUT_MS = 30_000;
const LOOK_AGAIN_MS = 100;

export interface LabRouterOptions {
  /** Milliseconds between two packets of BFD, three of which must be missed; without it no BFD. */
  bfdMs?: number;
  /** Seconds. */
  holdTime?: number;
}

/** Keys of cluster.yaml of a lab whose hosts announce routes to the router. */
export function routedSettings({ bfdMs, holdTime }: LabRouterOptions, more: Readonly<Record<string, unknown>> = {}): LabSettings {
  const peer = { address: LAB_ROUTER, as: LAB_ROUTER_AS, ...(bfdMs === undefined ? {} : { bfd: true }) };
  const times = { ...(holdTime && { holdTimeSeconds: holdTime }), ...(bfdMs && { bfd: { intervalMs: bfdMs, multiplier: 3 } }) };
  return { advertise: 'bgp', bgp: { localAs: 65_000, peers: [peer], ...times, ...more } };
}

/** Whether routers lead clients to the address of the lab. */
export function isRouted({ settings }: Lab['plan']): boolean {
  return settings?.['advertise'] !== undefined;
}

/** Starts it, and waits until its kernel has a path by way of every control-plane host. Throws HaleError `lab_router_not_found`, `lab_router_not_ready`. */
export async function startLabRouter(lab: Lab, options: LabRouterOptions = {}): Promise<void> {
  const bird = findProgram('bird');
  if (bird === undefined) {
    throw new HaleError({
      code: 'lab_router_not_found',
      kind: 'world',
      message: 'a lab with routes needs the program bird, which is not installed',
      remedy: 'apt-get install bird2',
    });
  }
  // By ports too, as routers share connections out; Linux takes the addresses alone, so a client would have one path.
  await runOrFail(lab.client.command(['sysctl', '-q', '-w', 'net.ipv4.fib_multipath_hash_policy=1']));
  writePlain(join(lab.client.folder, 'etc/hale/bird.conf'), { text: configuration(lab, options), mode: 0o644 });
  await lab.client.spawn('bird', [bird, '-f', '-c', '/etc/hale/bird.conf', '-s', CONTROL]);
  for (const end = performance.now() + TIMEOUT_MS; ; await sleep(LOOK_AGAIN_MS)) {
    const paths = await labPaths(lab);
    if (paths.length === lab.controlPlane.length) return;
    if (performance.now() > end) throw notReady(lab, paths);
  }
}

/** Names of the hosts by way of which the router's kernel reaches the address. */
export async function labPaths(lab: Lab): Promise<string[]> {
  const { stdout } = await lab.client.exec(['ip', 'route', 'show', lab.plan.endpoint.addresses[0] as string]);
  return lab.controlPlane.flatMap(({ name, addresses }) => (new RegExp(`via ${addresses[0]}( |$)`, 'm').test(stdout) ? [name] : []));
}

/** What BIRD has of the route, in its own words. */
export async function labRoutes(lab: Lab): Promise<string> {
  return (await lab.client.exec(['birdc', '-s', CONTROL, 'show', 'route', 'all'])).stdout;
}

function notReady(lab: Lab, paths: readonly string[]): HaleError {
  const by = paths.length === 0 ? 'no host' : `${paths.join(', ')} alone`;
  return new HaleError({
    code: 'lab_router_not_ready',
    kind: 'world',
    message: `the router of lab ${lab.plan.name} has paths by way of ${by} after ${TIMEOUT_MS / 1000} s`,
    remedy: `look at it with: hale lab exec --name ${lab.plan.name} cp1 hale bgp status`,
  });
}

function configuration({ client, controlPlane }: Lab, { bfdMs, holdTime }: LabRouterOptions): string {
  const [own] = client.addresses;
  const bfd = `protocol bfd { interface "*" { interval ${bfdMs} ms; multiplier 3; }; }`;
  const sessions = controlPlane.map(
    ({ name, addresses }) => `protocol bgp ${name} {
  local ${own} as ${LAB_ROUTER_AS};
  neighbor ${addresses[0]} as 65000;
  ${holdTime === undefined ? '' : `hold time ${holdTime};`}
  ${bfdMs === undefined ? '' : 'bfd on;'}
  ipv4 {
    # RFC 8326 section 4.3
    import filter { if (65535, 0) ~ bgp_community then bgp_local_pref = 0; accept; };
    export none;
  };
}`,
  );
  return `router id ${own};
protocol device {}
protocol kernel { merge paths on; ipv4 { export all; }; }
${bfdMs === undefined ? '' : bfd}
${sessions.join('\n')}
`;
}
