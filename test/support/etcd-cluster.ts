import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createEtcdAdmin } from '../../src/drivers/etcd/admin.ts';
import { createEtcdClient } from '../../src/drivers/etcd/client.ts';
import type { EtcdTls } from '../../src/drivers/etcd/endpoints.ts';
import type { EtcdTlsFiles } from '../../src/drivers/etcd/tls.ts';
import { type Authority, createAuthority } from '../../src/drivers/pki/authority.ts';
import { writeKeyPair } from '../../src/drivers/pki/files.ts';
import { lookAtEtcd } from '../../src/engine/etcd/look.ts';
import { type EtcdFlags, etcdMember, type EtcdMemberProcess, type MemberPlace } from './etcd-member.ts';
import { type EtcdLine, etcdProblem, type EtcdPrograms, findEtcdPrograms } from './etcd-programs.ts';
import { until } from './hale.ts';
import { freePorts } from './ports.ts';

export type { EtcdFlags, EtcdMemberProcess } from './etcd-member.ts';

/** A real etcd cluster with mutual TLS on 127.0.0.1, in a temporary folder of its own. */
export interface EtcdCluster {
  /** Holds `ca.crt`, `client.crt`, `client.key`; a test may put its own files here. Removed by `close`. */
  dir: string;
  authority: Authority;
  /** Of a client that etcd accepts. */
  tls: EtcdTls;
  /** The same as files, for command lines. */
  files: EtcdTlsFiles;
  version: EtcdLine;
  programs: EtcdPrograms;
  /** Those it was made with, and those that `newMember` made. */
  members: EtcdMemberProcess[];
  /** Client URLs of the members, in their order. */
  endpoints: string[];
  /**
   * A member with an empty data folder that does not run and that the cluster does not know: add its `peerUrl`, then `join`.
   * Its name and ports may be given, as of a member that it replaces.
   */
  newMember(options?: NewMember): Promise<EtcdMemberProcess>;
  /** Starts a member that was added to the cluster. `initialCluster` as `etcdctl member add` prints it; without it the cluster's list is asked. */
  join(member: EtcdMemberProcess, options?: { initialCluster?: string }): Promise<void>;
  /** Kills a member, and takes it out of `members` and `endpoints`; the cluster is not told. */
  discard(member: EtcdMemberProcess): Promise<void>;
  /** Ends every member and removes the folder. */
  close(): Promise<void>;
}

export interface NewMember {
  name?: string;
  clientUrl?: string;
  peerUrl?: string;
  flags?: EtcdFlags;
}

export interface EtcdClusterOptions {
  members: number;
  /** Default 3.4; ask `etcdProblem` first. */
  version?: EtcdLine;
  /** Of every member, before those of the rig. */
  flags?: EtcdFlags;
  /** Where the data folders are made; in `dir` by default. */
  dataRoot?: string;
}

const STARTUP_MS = 30_000;

/** Returns when the cluster has a leader and answers; cleans up after itself when it cannot start. */
export async function startEtcdCluster(options: EtcdClusterOptions): Promise<EtcdCluster> {
  const cluster = await prepareEtcdCluster(options);
  try {
    for (const member of cluster.members) member.start();
    await untilEtcdAnswers(cluster);
  } catch (error) {
    await cluster.close();
    throw error;
  }
  return cluster;
}

/** The same, not started. */
async function prepareEtcdCluster(options: EtcdClusterOptions): Promise<EtcdCluster> {
  const { version = '3.4', flags = {} } = options;
  const programs = findEtcdPrograms(version);
  if (programs === undefined) throw new Error(etcdProblem(version));
  const dir = mkdtempSync(join(tmpdir(), 'hale-etcd-'));
  const authority = await createAuthority({ commonName: 'etcd-ca', validityDays: 1 });
  writeFileSync(join(dir, 'ca.crt'), authority.certPem);
  const client = await authority.issue(CLIENT);
  writeKeyPair(dir, 'client', client);
  const { dataRoot = dir } = options;
  const places: MemberPlace[] = [];
  for (let i = 1; i <= options.members; i++) places.push(await newPlace({ name: `m${i}`, dir, dataRoot }));
  const initialCluster = places.map(({ name, peerUrl }) => `${name}=${peerUrl}`).join(',');
  const make = async (place: MemberPlace, more: EtcdFlags): Promise<EtcdMemberProcess> => {
    await writeServing(place, authority);
    return etcdMember(programs.etcd, place, { ...etcdFlags(place, version), ...flags, ...more });
  };
  const initial = await Promise.all(places.map((place) => make(place, { 'initial-cluster': initialCluster })));
  const members = [...initial];
  let made = 0;
  const endpoints = members.map(({ clientUrl }) => clientUrl);
  const cluster: EtcdCluster = {
    dir,
    authority,
    tls: { caPem: authority.certPem, ...client },
    files: filesOf(dir, 'client'),
    version,
    programs,
    members,
    endpoints,
    async newMember({ name = `m${members.length + 1}`, flags: own = {}, ...urls } = {}) {
      const place = { ...(await newPlace({ name, dir, dataRoot })), ...urls };
      place.dataDir = join(dataRoot, `${name}-${++made}`);
      const member = await make(place, { 'initial-cluster-state': 'existing', ...own });
      members.push(member);
      return member;
    },
    async join(member, { initialCluster: given } = {}) {
      member.start({ 'initial-cluster': given ?? (await listedCluster(cluster, member)) });
      if (!endpoints.includes(member.clientUrl)) endpoints.push(member.clientUrl);
    },
    async discard(member) {
      await member.kill();
      for (const [list, one] of [
        [members, member],
        [endpoints, member.clientUrl],
      ] as [unknown[], unknown][]) {
        if (list.includes(one)) list.splice(list.indexOf(one), 1);
      }
    },
    async close() {
      await Promise.all([...initial, ...members].map((member) => member.kill()));
      rmSync(dir, { recursive: true, force: true });
    },
  };
  return cluster;
}

/** Returns when a linearizable read succeeds, and every member answers, knows the leader and has applied what was written before. */
export async function untilEtcdAnswers(cluster: EtcdCluster): Promise<void> {
  const client = createEtcdClient({ endpoints: cluster.endpoints, tls: cluster.tls });
  const deadline = Date.now() + STARTUP_MS;
  try {
    for (;;) {
      try {
        const { revision } = await client.range(Buffer.from('probe'));
        const statuses = await Promise.all(cluster.endpoints.map((url) => client.status(url)));
        if (statuses.some(({ leaderId }) => leaderId === undefined)) throw new Error('a member knows no leader');
        if (statuses.some((status) => status.revision < revision)) throw new Error('a member is behind');
        return;
      } catch (error) {
        if (Date.now() < deadline) await sleep(100);
        else {
          const logs = cluster.members.map((member) => member.log().slice(-1000));
          throw new Error(`etcd did not start:\n${logs.join('\n')}`, { cause: error });
        }
      }
    }
  } finally {
    client.close();
  }
}

/** Returns when so many voters answer and one of them leads: a member that was killed may have been the leader. */
export async function untilLed(cluster: EtcdCluster, { alive }: { alive: number }): Promise<void> {
  const etcd = createEtcdAdmin(cluster);
  try {
    await until(
      () => lookAtEtcd({ etcd, urls: cluster.endpoints }),
      ({ leader, quorum }) => quorum.alive === alive && leader?.status != null,
      'those that are left have a leader',
    );
  } finally {
    etcd.close();
  }
}

/** `foreign`: a certificate of another authority. `expired`: it ended a minute ago. `untrusting`: a good one, but the client trusts another authority than etcd's. */
export type BadClient = 'foreign' | 'expired' | 'untrusting';

/** What a client has that etcd refuses, or that refuses etcd; as files in the cluster's folder, too. */
export async function badClient(cluster: EtcdCluster, kind: BadClient): Promise<{ tls: EtcdTls; files: EtcdTlsFiles }> {
  const foreign = await createAuthority({ commonName: 'foreign-ca', validityDays: 1 });
  const issuer = kind === 'foreign' ? foreign : cluster.authority;
  const validityDays = kind === 'expired' ? -1 / (24 * 60) : 1;
  const pair = await issuer.issue({ ...CLIENT, validityDays });
  const caPem = kind === 'untrusting' ? foreign.certPem : cluster.authority.certPem;
  writeFileSync(join(cluster.dir, `${kind}-ca.crt`), caPem);
  writeKeyPair(cluster.dir, kind, pair);
  return { tls: { caPem, ...pair }, files: { ...filesOf(cluster.dir, kind), caFile: join(cluster.dir, `${kind}-ca.crt`) } };
}

const CLIENT = { commonName: 'client', dnsNames: [], ipAddresses: [], usages: ['client'], validityDays: 1 } as const;

function filesOf(dir: string, name: string): EtcdTlsFiles {
  return { caFile: join(dir, 'ca.crt'), certFile: join(dir, `${name}.crt`), keyFile: join(dir, `${name}.key`) };
}

async function newPlace({ name, dir, dataRoot }: { name: string; dir: string; dataRoot: string }): Promise<MemberPlace> {
  const [client, peer] = (await freePorts(2)) as [number, number];
  return { name, dir, clientUrl: `https://127.0.0.1:${client}`, peerUrl: `https://127.0.0.1:${peer}`, dataDir: join(dataRoot, name) };
}

async function writeServing({ name, dir, dataDir }: MemberPlace, authority: Authority): Promise<void> {
  const usages = ['server', 'client'] as const;
  writeKeyPair(dir, name, await authority.issue({ commonName: name, dnsNames: [], ipAddresses: ['127.0.0.1'], usages, validityDays: 1 }));
  mkdirSync(dataDir, { mode: 0o700, recursive: true });
}

/** What `--initial-cluster` of a member must be that was added: every member's name and peer URLs, its own name for the one that has none yet. */
async function listedCluster(cluster: EtcdCluster, joining: EtcdMemberProcess): Promise<string> {
  const client = createEtcdClient(cluster);
  try {
    const named = (await client.members()).map(({ name, peerUrls }) => ({
      name: peerUrls.includes(joining.peerUrl) ? joining.name : name,
      peerUrls,
    }));
    return named.flatMap(({ name, peerUrls }) => (name === '' ? [] : peerUrls.map((url) => `${name}=${url}`))).join(',');
  } finally {
    client.close();
  }
}

function etcdFlags({ name, dir, dataDir, clientUrl, peerUrl }: MemberPlace, version: EtcdLine): EtcdFlags {
  return {
    name,
    'data-dir': dataDir,
    'listen-client-urls': clientUrl,
    'advertise-client-urls': clientUrl,
    'listen-peer-urls': peerUrl,
    'initial-advertise-peer-urls': peerUrl,
    'initial-cluster-token': dir,
    'initial-cluster-state': 'new',
    'client-cert-auth': true,
    'trusted-ca-file': join(dir, 'ca.crt'),
    'cert-file': join(dir, `${name}.crt`),
    'key-file': join(dir, `${name}.key`),
    'peer-client-cert-auth': true,
    'peer-trusted-ca-file': join(dir, 'ca.crt'),
    'peer-cert-file': join(dir, `${name}.crt`),
    'peer-key-file': join(dir, `${name}.key`),
    // Defaults from 3.5 on.
    ...(version === '3.4' ? { logger: 'zap', 'pre-vote': true } : {}),
  };
}
