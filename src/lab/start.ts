import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { hostPort } from '../base/address.ts';
import { assert } from '../base/assert.ts';
import { HaleError } from '../base/error.ts';
import { all, runOrFail } from './command.ts';
import { writePlain } from './folder.ts';
import { lastComplaint, type LabHost } from './host.ts';
import { kubectlArgv } from './kubernetes/programs.ts';
import type { Lab } from './lab.ts';
import { APISERVER_PORT } from './plan.ts';
import { AGENT_SOCKET, agentArgv, apiserverArgv, awaitReadyArgv, primaryAddress, serviceArgv, systemdHost } from './services.ts';

/** Names of what runs in a control-plane host: of its log, and for faults. */
type Daemon = 'etcd' | 'apiserver' | 'controller-manager' | 'scheduler' | 'agent';

const PKI = '/etc/kubernetes/pki';
/** Three real API servers that start at once on two cores take half a minute. */
const TIMEOUT_MS = 120_000;
const POLL_MS = 50;

export async function startEtcd(lab: Lab, signal: AbortSignal | undefined): Promise<void> {
  await startService(lab, { name: 'etcd', argv: (host) => serviceArgv(lab.plan, host, 'etcd') });
  const urls = lab.controlPlane.map((host) => `https://${hostPort(primaryAddress(host), 2379)}/health`);
  const dir = `${PKI}/etcd`;
  const files = { ca: `${dir}/ca.crt`, cert: `${dir}/healthcheck-client.crt`, key: `${dir}/healthcheck-client.key` };
  await awaitUrls(lab, { name: 'etcd', argv: awaitReadyArgv({ urls, ...files, timeoutMs: TIMEOUT_MS }), signal });
}

export async function startApiservers(lab: Lab, signal: AbortSignal | undefined): Promise<void> {
  for (const host of lab.controlPlane) {
    for (const { path, text, mode } of systemdHost(lab.plan, host).files) {
      // The lab has a supervisor of its own; /etc/systemd is not kept.
      if (path.startsWith('/etc/kubernetes/')) writePlain(join(host.folder, path), { text, mode });
    }
  }
  await startService(lab, { name: 'apiserver', argv: (host) => apiserverArgv(lab.plan, host) });
  const urls = lab.controlPlane.map((host) => `https://${hostPort(primaryAddress(host), APISERVER_PORT)}/readyz`);
  const files = { ca: `${PKI}/ca.crt`, cert: `${PKI}/admin.crt`, key: `${PKI}/admin.key` };
  await awaitUrls(lab, { name: 'apiserver', argv: awaitReadyArgv({ urls, ...files, timeoutMs: TIMEOUT_MS }), signal });
}

/** The controllers of a real control plane; they elect their leaders by themselves. */
export async function startControllers(lab: Lab, signal: AbortSignal | undefined): Promise<void> {
  if (!('programs' in lab.plan.kubernetes)) return;
  await grantRights(lab, signal);
  await startService(lab, { name: 'controller-manager', argv: (host) => serviceArgv(lab.plan, host, 'kube-controller-manager') });
  await startService(lab, { name: 'scheduler', argv: (host) => serviceArgv(lab.plan, host, 'kube-scheduler') });
}

/** As `kubeadm init` does once: rights for the group of admin.conf, and for what API servers call themselves towards kubelets, given by super-admin.conf. */
async function grantRights(lab: Lab, signal: AbortSignal | undefined): Promise<void> {
  const { kubernetes } = lab.plan;
  const [first] = lab.controlPlane;
  assert('programs' in kubernetes && first !== undefined, 'there is a real control plane');
  const server = `https://${hostPort(primaryAddress(first), APISERVER_PORT)}`;
  const kubectl = [...kubectlArgv(kubernetes), '--kubeconfig=/etc/kubernetes/super-admin.conf', `--server=${server}`];
  for (const binding of [
    ['kubeadm:cluster-admins', '--clusterrole=cluster-admin', '--group=kubeadm:cluster-admins'],
    ['kubeadm:apiserver-kubelet-client', '--clusterrole=system:kubelet-api-admin', '--user=kube-apiserver-kubelet-client'],
  ]) {
    await runOrFail(first.command([...kubectl, 'create', 'clusterrolebinding', ...binding]), { ...(signal && { signal }) });
  }
}

export async function startAgents(lab: Lab, signal: AbortSignal | undefined): Promise<void> {
  await startService(lab, { name: 'agent', argv: agentArgv });
  const deadline = performance.now() + TIMEOUT_MS;
  for (;;) {
    signal?.throwIfAborted();
    const waiting = lab.controlPlane.filter((host) => !existsSync(join(host.folder, AGENT_SOCKET)));
    failIfDead(lab, 'agent');
    if (waiting.length === 0) return;
    if (performance.now() > deadline) throw notReady('agent', `no control socket on ${waiting.map((host) => host.name).join(', ')}`);
    await sleep(POLL_MS);
  }
}

async function startService(lab: Lab, service: { name: Daemon; argv: (host: LabHost) => string[] }): Promise<void> {
  await all(lab.controlPlane.map((host) => host.spawn(service.name, service.argv(host), { atBoot: true })));
}

/** Asks from the client host, and stops waiting as soon as one of the daemons has ended. */
async function awaitUrls(lab: Lab, options: { name: Daemon; argv: string[]; signal: AbortSignal | undefined }): Promise<void> {
  const { name, argv, signal } = options;
  const settled = new AbortController();
  const stop = AbortSignal.any([settled.signal, ...(signal === undefined ? [] : [signal])]);
  const watch = (async () => {
    while (!stop.aborted) {
      await sleep(4 * POLL_MS, undefined, { signal: stop }).catch(() => undefined);
      if (!stop.aborted) failIfDead(lab, name);
    }
  })();
  // The watch ends the wait by failing; its failure is thrown below.
  watch.catch(() => settled.abort());
  const result = await lab.client.exec(argv, { signal: stop }).finally(() => settled.abort());
  signal?.throwIfAborted();
  await watch;
  if (result.code !== 0) throw notReady(name, result.stderr.trim() || `the wait ended with ${result.code}`);
}

function failIfDead(lab: Lab, name: Daemon): void {
  const dead = lab.controlPlane.find((host) => !host.running(name));
  if (dead !== undefined) throw notReady(name, `it ended on ${dead.name}: ${lastComplaint(dead, name)}`);
}

function notReady(name: Daemon, reason: string): HaleError {
  return new HaleError({ code: 'lab_service_not_ready', kind: 'world', message: `${name} did not become ready: ${reason}` });
}
