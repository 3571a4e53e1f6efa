import { type ChildProcess, execFile } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { kubeconfigText } from '../../src/core/pki/kubeconfig.ts';
import { type Authority, createAuthority, type KeyPair } from '../../src/drivers/pki/authority.ts';
import { writeKeyPair } from '../../src/drivers/pki/files.ts';
import { findProgram } from '../../src/lab/find-program.ts';
import { findKubernetesProgram, type KubernetesProgram } from '../../src/lab/kubernetes/programs.ts';
import { type EtcdCluster, startEtcdCluster } from './etcd-cluster.ts';
import { LoggedProcess } from './logged-process.ts';
import { enterOwnNetwork, netnsProblem } from './netns.ts';

/** Real kube-apiservers on one real etcd, in a network of their own that the test's thread is moved into until `close`. */
export interface KubernetesCluster {
  /** Holds what the cluster needs, and `NAME.log` of each program; a test may put its own files here. Removed by `close`. */
  dir: string;
  /** Certificate of `authority`. */
  caFile: string;
  /** Signs the API servers' certificates and those of their clients. */
  authority: Authority;
  etcd: EtcdCluster;
  apiservers: ApiserverProcess[];
  /** Kubeconfig of an administrator whom nothing is refused, for the first API server. */
  adminConf: string;
  /** Writes a kubeconfig into `dir`, and returns its path. `organization` is the group. */
  writeKubeconfig(options: KubeconfigRequest): Promise<string>;
  /** Starts a program of Kubernetes in the same network, its output in `NAME.log`; `close` ends it. */
  start(program: KubernetesProgram, options: { name: string; arguments: readonly string[] }): ChildProcess;
  close(): Promise<void>;
}

/** What kubectl prints as administrator; throws when it fails. */
export async function kubectl({ adminConf, dir }: KubernetesCluster, ...args: string[]): Promise<string> {
  const access = [`--kubeconfig=${adminConf}`, `--cache-dir=${join(dir, 'kubectl')}`];
  return (await promisify(execFile)(pathOf('kubectl'), [...access, ...args])).stdout;
}

export interface ApiserverProcess {
  name: string;
  address: string;
  port: number;
  url: string;
  /** Runs it, again if it was ended; `untilReady` says when it answers. */
  start(): void;
  untilReady(): Promise<void>;
  /** SIGTERM: it drains first. `ended` waits for its end. */
  terminate(): void;
  ended(): Promise<void>;
  /** SIGKILL, and waits until the process is gone. */
  kill(): Promise<void>;
  /** SIGSTOP: its port accepts connections, and nobody answers. */
  freeze(): void;
  thaw(): void;
}

export interface KubeconfigRequest {
  file: string;
  commonName: string;
  organization?: string;
  /** Default: the URL of the first API server. */
  server?: string;
}

export interface KubernetesOptions {
  /** Default 1. */
  apiservers?: number;
  /** More flags of kube-apiserver, after those that the cluster needs; the last of the same name counts. */
  arguments?: readonly string[];
  /** More names in the API servers' certificates. */
  dnsNames?: readonly string[];
}

/** Whom nothing is refused. */
const ADMIN = { commonName: 'kubernetes-super-admin', organization: 'system:masters' };

const STARTUP_MS = 120_000;
const PORT = 6443;
const SERVICES = '10.96.0.0/16';
/** Not `ca.crt`, which is etcd's authority. */
const CA = 'kubernetes-ca.crt';

/** Why no such cluster can run here, for the title of a skipped suite; undefined when it can. */
export function kubernetesProblem(...programs: KubernetesProgram[]): string | undefined {
  for (const program of ['kube-apiserver', ...programs] as const) {
    if (findKubernetesProgram(program) === undefined) return `skipped: no ${program}: \`npm run kubernetes:get\` gets it`;
  }
  if (findProgram('etcd') === undefined) return 'skipped: no etcd: apt-get install etcd-server';
  const network = netnsProblem();
  return network === undefined ? undefined : `skipped: ${network}`;
}

/** Returns when every API server is ready; cleans up after itself when one does not start. One of these at a time in a process. */
export async function startKubernetes(options: KubernetesOptions = {}): Promise<KubernetesCluster> {
  const addresses = Array.from({ length: options.apiservers ?? 1 }, (_, i) => `10.99.0.${i + 1}`);
  const network = enterOwnNetwork(addresses.map((address) => `${address}/24`));
  let etcd: EtcdCluster | undefined;
  const processes: LoggedProcess[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(processes.map((process) => process.kill()));
    await etcd?.close();
    network.leave();
  };
  try {
    etcd = await startEtcdCluster({ members: 1 });
    const { dir } = etcd;
    const authority = await createAuthority({ commonName: 'kubernetes', validityDays: 1 });
    const admin = await authority.issue({ ...ADMIN, dnsNames: [], ipAddresses: [], usages: ['client'], validityDays: 1 });
    await writeSharedFiles(dir, { authority, addresses, dnsNames: options.dnsNames ?? [] });
    const apiservers = addresses.map((address, i) => {
      const name = `kube-apiserver-${i + 1}`;
      const argv = [pathOf('kube-apiserver'), ...apiserverFlags({ dir, address, etcd: etcd as EtcdCluster }), ...(options.arguments ?? [])];
      const process = new LoggedProcess(argv, join(dir, `${name}.log`));
      processes.push(process);
      return apiserver({ name, address, process, authority, admin });
    });
    const writeKubeconfig = (wanted: KubeconfigRequest) =>
      issueKubeconfig({ dir, authority, server: apiservers[0]?.url as string, ...wanted });
    const adminConf = await writeKubeconfig({ file: 'admin.conf', ...ADMIN });
    for (const server of apiservers) server.start();
    for (const server of apiservers) await server.untilReady();
    return {
      dir,
      caFile: join(dir, CA),
      authority,
      etcd,
      apiservers,
      adminConf,
      writeKubeconfig,
      start(name, { name: log, arguments: flags }) {
        const process = new LoggedProcess([pathOf(name), ...flags], join(dir, `${log}.log`));
        processes.push(process);
        return process.start();
      },
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function pathOf(name: KubernetesProgram): string {
  const path = findKubernetesProgram(name);
  if (path === undefined) throw new Error(`no ${name}: ask kubernetesProblem() first`);
  return path;
}

interface ApiserverFacts {
  name: string;
  address: string;
  process: LoggedProcess;
  authority: Authority;
  admin: KeyPair;
}

function apiserver({ name, address, process, authority, admin }: ApiserverFacts): ApiserverProcess {
  return {
    name,
    address,
    port: PORT,
    url: `https://${address}:${PORT}`,
    start: () => void process.start(),
    async untilReady() {
      const deadline = Date.now() + STARTUP_MS;
      for (;;) {
        const status = await readyz(address, { ca: authority.certPem, cert: admin.certPem, key: admin.keyPem });
        if (status === 200) return;
        if (Date.now() > deadline || !process.running) throw new Error(`${name} is not ready (${status}):\n${process.logEnd}`);
        await sleep(100);
      }
    },
    terminate: () => process.signal('SIGTERM'),
    ended: () => process.ended(),
    kill: () => process.kill(),
    freeze: () => process.freeze(),
    thaw: () => process.signal('SIGCONT'),
  };
}

/** The status, or why there is none. With credentials, because anonymous clients are refused until the server has made its first roles. */
function readyz(host: string, tls: { ca: string; cert: string; key: string }): Promise<number | string> {
  return new Promise((resolve) => {
    const req = request({ ...tls, host, port: PORT, path: '/readyz', agent: false, timeout: 5000 }, (res) => {
      res.resume();
      resolve(res.statusCode ?? 0);
    });
    req.on('timeout', () => req.destroy(new Error('no answer')));
    req.on('error', (error) => resolve(error.message));
    req.end();
  });
}

async function writeSharedFiles(
  dir: string,
  facts: { authority: Authority; addresses: readonly string[]; dnsNames: readonly string[] },
): Promise<void> {
  const { authority, addresses, dnsNames } = facts;
  writeFileSync(join(dir, CA), authority.certPem);
  const serving = await authority.issue({
    commonName: 'kube-apiserver',
    dnsNames: ['kubernetes', 'kubernetes.default', 'kubernetes.default.svc', 'localhost', ...dnsNames],
    ipAddresses: [...addresses, '10.96.0.1', '127.0.0.1'],
    usages: ['server'],
    validityDays: 1,
  });
  writeKeyPair(dir, 'apiserver', serving);
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  writeFileSync(join(dir, 'sa.key'), privateKey.export({ type: 'sec1', format: 'pem' }), { mode: 0o600 });
  writeFileSync(join(dir, 'sa.pub'), publicKey.export({ type: 'spki', format: 'pem' }));
}

function apiserverFlags({ dir, address, etcd }: { dir: string; address: string; etcd: EtcdCluster }): string[] {
  const file = (name: string): string => join(dir, name);
  return [
    `--advertise-address=${address}`,
    `--bind-address=${address}`,
    `--secure-port=${PORT}`,
    `--etcd-servers=${etcd.endpoints.join(',')}`,
    `--etcd-cafile=${file('ca.crt')}`,
    `--etcd-certfile=${file('client.crt')}`,
    `--etcd-keyfile=${file('client.key')}`,
    `--client-ca-file=${file(CA)}`,
    `--tls-cert-file=${file('apiserver.crt')}`,
    `--tls-private-key-file=${file('apiserver.key')}`,
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-key-file=${file('sa.pub')}`,
    `--service-account-signing-key-file=${file('sa.key')}`,
    `--service-cluster-ip-range=${SERVICES}`,
    '--authorization-mode=Node,RBAC',
  ];
}

interface KubeconfigIssue extends KubeconfigRequest {
  dir: string;
  authority: Authority;
  server: string;
}

async function issueKubeconfig(issue: KubeconfigIssue): Promise<string> {
  const { dir, authority, file, server, commonName, organization } = issue;
  const pair: KeyPair = await authority.issue({
    commonName,
    ...(organization === undefined ? {} : { organization }),
    dnsNames: [],
    ipAddresses: [],
    usages: ['client'],
    validityDays: 1,
  });
  const facts = { clusterName: 'test', server, user: commonName, caPem: authority.certPem, ...pair };
  const path = join(dir, file);
  writeFileSync(
    path,
    kubeconfigText(facts, (text) => Buffer.from(text).toString('base64')),
    { mode: 0o600 },
  );
  return path;
}
