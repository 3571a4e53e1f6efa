/** What the tests of a whole lab with real API servers do with it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { Status } from '../../src/cli/render-status.ts';
import { clusterOf } from '../../src/lab/configuration.ts';
import { hostCertificates } from '../../src/core/pki/plan.ts';
import { type Authority, createAuthority, type KeyPair, readAuthority } from '../../src/drivers/pki/authority.ts';
import { packageFolder } from '../../src/drivers/program.ts';
import { agentStatus, awaitSteady } from '../../src/lab/drill/agents.ts';
import type { LabHost } from '../../src/lab/host.ts';
import { kubectlArgv } from '../../src/lab/kubernetes/programs.ts';
import type { Lab } from '../../src/lab/lab.ts';
import { stopDaemon } from '../../src/lab/stop.ts';
import { untilWithin } from './hale.ts';
import type { Answer } from './https-get.ts';
import { leaks, secretsOf } from './secrets.ts';

/** Real API servers on a busy machine take their time. */
const PATIENCE_MS = 120_000;
const PKI = 'etc/kubernetes/pki';

export const steady = (lab: Lab): Promise<LabHost> => awaitSteady(lab, { timeoutMs: PATIENCE_MS });

export function another(lab: Lab, than: LabHost): LabHost {
  return lab.controlPlane.find(({ name }) => name !== than.name) as LabHost;
}

/** Looks until it is as wanted, or fails with what was last seen. */
export function becomes<T>(what: string, options: { look: () => Promise<T>; wanted: (value: T) => boolean }): Promise<T> {
  return untilWithin(PATIENCE_MS, { ...options, what });
}

/** `hale status` on a host; whatever it says of a bad day, in words or as JSON, gives no secret away. `wrap` is put around the command. */
export async function haleStatus(lab: Lab, host: LabHost, wrap = (argv: readonly string[]) => [...argv]): Promise<Status> {
  const argv = [join(packageFolder, 'hale'), 'status', '--config', '/etc/hale/cluster.yaml'];
  const [words, json] = [await host.exec(wrap(argv)), await host.exec(wrap([...argv, '--json']))];
  const said = [words, json].map(({ stdout, stderr }) => stdout + stderr).join('\n');
  const secrets = secretsOf(lab.plan, (name) => lab.host(name).folder);
  expect(leaks(said, secrets)).toEqual([]);
  return JSON.parse(json.stdout) as Status;
}

/** Waits until every agent keeps new connections from an API server, and says why. */
export async function leavesBalancer(lab: Lab, host: LabHost, why: RegExp): Promise<void> {
  const look = () => Promise.all(lab.controlPlane.map(async (one) => (await agentStatus(one))?.backends.find((b) => b.name === host.name)));
  await becomes(`${host.name} leaves the balancer`, {
    look,
    wanted: (seen) => seen.every((backend) => backend !== undefined && backend.state !== 'ready' && why.test(backend.reason)),
  });
}

/** What clients get at the shared address, each over a connection of its own that verifies the certificate. */
export async function answersAtAddress(lab: Lab): Promise<string[]> {
  const { dnsName, port } = lab.plan.endpoint;
  const wanted = { urls: Array<string>(12).fill(`https://${dnsName}:${port}/readyz`), ca: `/${PKI}/ca.crt` };
  const { stdout } = await lab.client.exec([process.execPath, join(import.meta.dirname, 'https-get.ts'), JSON.stringify(wanted)]);
  return (JSON.parse(stdout) as Answer[]).map(({ status, body }) => `${status} ${body}`);
}

/** kubectl as administrator, from the client's host and through the shared address. */
export function kubectl(lab: Lab, ...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  return kubectlOn(lab.client, lab, ...args);
}

/** The same from another host. */
export async function kubectlOn(host: LabHost, lab: Lab, ...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const { kubernetes } = lab.plan;
  if (!('programs' in kubernetes)) throw new Error('the lab has no kubectl');
  const access = ['--kubeconfig=/etc/kubernetes/admin.conf', '--request-timeout=20s'];
  return host.exec([...kubectlArgv(kubernetes), ...access, ...args]);
}

export function etcdctl(host: LabHost, args: readonly string[], input?: string): Promise<{ code: number; stdout: string; stderr: string }> {
  const files = ['--cacert', 'ca.crt', '--cert', 'healthcheck-client.crt', '--key', 'healthcheck-client.key'];
  const access = files.map((word) => (word.startsWith('--') ? word : `/${PKI}/etcd/${word}`));
  const command = ['env', 'ETCDCTL_API=3', 'etcdctl', '--endpoints=https://127.0.0.1:2379', ...access, ...args];
  return host.exec(command, input === undefined ? {} : { input });
}

export async function restartEtcd(host: LabHost, argv: readonly string[]): Promise<void> {
  await stopDaemon(host, 'etcd');
  await host.spawn('etcd', argv, { atBoot: true });
}

/** Controllers end when they cannot renew their Lease for 10 s; a lab has no supervisor that starts them again. */
export async function startControllersAgain(lab: Lab): Promise<void> {
  for (const host of lab.controlPlane) for (const name of ['controller-manager', 'scheduler']) await host.restart(name);
}

/** Path of a host's serving certificate, seen from outside and without ending. */
export const servingCertificate = (host: LabHost): string => join(host.folder, PKI, 'apiserver');

export function readPair(target: string): KeyPair {
  return { certPem: readFileSync(`${target}.crt`, 'utf8'), keyPem: readFileSync(`${target}.key`, 'utf8') };
}

const MINUTES_PER_DAY = 1440;

/** A serving certificate with all the right names, by an authority of the same name with another key. */
export async function foreignCertificate(lab: Lab, host: LabHost): Promise<KeyPair> {
  return issue(await createAuthority({ commonName: 'kubernetes', validityDays: 1 }), { lab, host, validityDays: 1 });
}

/** One by the right authority that was valid for some minutes, until a minute ago. */
export async function expiredCertificate(lab: Lab, host: LabHost): Promise<KeyPair> {
  const authority = await readAuthority({ ...readPair(join(host.folder, PKI, 'ca')), place: 'ca' });
  return issue(authority, { lab, host, validityDays: -1 / MINUTES_PER_DAY });
}

async function issue(
  authority: Authority,
  { lab, host, validityDays }: { lab: Lab; host: LabHost; validityDays: number },
): Promise<KeyPair> {
  const cluster = clusterOf(lab.plan);
  const member = cluster.controlPlane.hosts.find(({ name }) => name === host.name);
  const plan = member && hostCertificates(cluster, member).find(({ path }) => path === 'apiserver');
  if (plan === undefined) throw new Error(`no certificate is planned for ${host.name}`);
  const { commonName, dnsNames, ipAddresses, usages } = plan;
  return authority.issue({ commonName, dnsNames, ipAddresses, usages, validityDays });
}
