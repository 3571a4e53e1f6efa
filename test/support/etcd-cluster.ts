import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createEtcdClient } from '../../src/drivers/etcd/client.ts';
import type { EtcdTls } from '../../src/drivers/etcd/endpoints.ts';
import { type Authority, createAuthority } from '../../src/drivers/pki/authority.ts';
import { writeKeyPair } from '../../src/drivers/pki/files.ts';
import { freeze } from './freeze.ts';

/** A real etcd cluster with mutual TLS on 127.0.0.1, in a temporary folder of its own. */
export interface EtcdCluster {
  /** Holds `ca.crt`, `client.crt`, `client.key`; a test may put its own files here. Removed by `close`. */
  dir: string;
  authority: Authority;
  /** Of a client that etcd accepts. */
  tls: EtcdTls;
  members: EtcdMemberProcess[];
  /** Client URLs of the members, in their order. */
  endpoints: string[];
  /** Ends every member and removes the folder. */
  close(): Promise<void>;
}

export interface EtcdMemberProcess {
  name: string;
  clientUrl: string;
  /** Runs the member, again if it was killed, on the data it has. */
  start(): void;
  /** SIGKILL, and waits until the process is gone. */
  kill(): Promise<void>;
  /** SIGSTOP: its ports accept connections, and nobody answers. */
  freeze(): void;
  thaw(): void;
}

const STARTUP_MS = 30_000;

/** Returns when the cluster has a leader and answers; cleans up after itself when it cannot start. */
export async function startEtcdCluster(options: { members: number }): Promise<EtcdCluster> {
  const dir = mkdtempSync(join(tmpdir(), 'hale-etcd-'));
  const authority = await createAuthority({ commonName: 'etcd-ca', validityDays: 1 });
  writeFileSync(join(dir, 'ca.crt'), authority.certPem);
  const client = await authority.issue({ commonName: 'client', dnsNames: [], ipAddresses: [], usages: ['client'], validityDays: 1 });
  writeKeyPair(dir, 'client', client);
  const ports = await freePorts(2 * options.members);
  const names = Array.from({ length: options.members }, (_, i) => `m${i + 1}`);
  const places = names.map((name, i) => ({
    name,
    clientUrl: `https://127.0.0.1:${ports[2 * i]}`,
    peerUrl: `https://127.0.0.1:${ports[2 * i + 1]}`,
  }));
  const members = await Promise.all(places.map((place) => prepareMember({ dir, authority, place, places })));
  const cluster: EtcdCluster = {
    dir,
    authority,
    tls: { caPem: authority.certPem, ...client },
    members,
    endpoints: places.map(({ clientUrl }) => clientUrl),
    async close() {
      await Promise.all(members.map((member) => member.kill()));
      rmSync(dir, { recursive: true, force: true });
    },
  };
  try {
    for (const member of members) member.start();
    await untilEtcdAnswers(cluster);
  } catch (error) {
    await cluster.close();
    throw error;
  }
  return cluster;
}

/** Returns when every member answers and knows the leader, and a linearizable read succeeds. */
export async function untilEtcdAnswers(cluster: EtcdCluster): Promise<void> {
  const client = createEtcdClient({ endpoints: cluster.endpoints, tls: cluster.tls });
  const deadline = Date.now() + STARTUP_MS;
  try {
    for (;;) {
      try {
        await client.range(Buffer.from('probe'));
        const statuses = await Promise.all(cluster.endpoints.map((url) => client.status(url)));
        if (statuses.some(({ leaderId }) => leaderId === undefined)) throw new Error('a member knows no leader');
        return;
      } catch (error) {
        if (Date.now() < deadline) await sleep(100);
        else {
          const logs = cluster.members.map(({ name }) => readFileSync(join(cluster.dir, `${name}.log`), 'utf8').slice(-1000));
          throw new Error(`etcd did not start:\n${logs.join('\n')}`, { cause: error });
        }
      }
    }
  } finally {
    client.close();
  }
}

interface Place {
  name: string;
  clientUrl: string;
  peerUrl: string;
}

interface MemberOptions {
  dir: string;
  authority: Authority;
  place: Place;
  places: Place[];
}

async function prepareMember(options: MemberOptions): Promise<EtcdMemberProcess> {
  const { dir, authority, place } = options;
  const { name, clientUrl } = place;
  const usages = ['server', 'client'] as const;
  writeKeyPair(dir, name, await authority.issue({ commonName: name, dnsNames: [], ipAddresses: ['127.0.0.1'], usages, validityDays: 1 }));
  mkdirSync(join(dir, name), { mode: 0o700 });
  let child: ChildProcess | undefined;
  return {
    name,
    clientUrl,
    start() {
      const log = openSync(join(dir, `${name}.log`), 'a');
      // setpriv: the kernel ends the member with this process, also when that is killed.
      child = spawn('setpriv', ['--pdeathsig', 'KILL', 'etcd', ...etcdFlags(options)], { stdio: ['ignore', log, log] });
      closeSync(log);
    },
    async kill() {
      if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    },
    freeze: () => freeze(child?.pid as number),
    thaw: () => void child?.kill('SIGCONT'),
  };
}

function etcdFlags({ dir, place, places }: MemberOptions): string[] {
  const flags = {
    name: place.name,
    'data-dir': join(dir, place.name),
    'listen-client-urls': place.clientUrl,
    'advertise-client-urls': place.clientUrl,
    'listen-peer-urls': place.peerUrl,
    'initial-advertise-peer-urls': place.peerUrl,
    'initial-cluster': places.map(({ name, peerUrl }) => `${name}=${peerUrl}`).join(','),
    'initial-cluster-token': dir,
    'initial-cluster-state': 'new',
    'client-cert-auth': 'true',
    'trusted-ca-file': join(dir, 'ca.crt'),
    'cert-file': join(dir, `${place.name}.crt`),
    'key-file': join(dir, `${place.name}.key`),
    'peer-client-cert-auth': 'true',
    'peer-trusted-ca-file': join(dir, 'ca.crt'),
    'peer-cert-file': join(dir, `${place.name}.crt`),
    'peer-key-file': join(dir, `${place.name}.key`),
    logger: 'zap',
    'pre-vote': 'true',
  };
  return Object.entries(flags).map(([flag, value]) => `--${flag}=${value}`);
}

/** Ports that were free a moment ago, all different. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}
