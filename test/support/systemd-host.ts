/** A machine of systemd-machine.ts as a control-plane host, and what is rendered for it when it is the only one. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { stringify } from 'yaml';
import { readCluster } from '../../src/core/cluster/read.ts';
import type { RenderedFile } from '../../src/core/render/file.ts';
import { renderSystemdHost } from '../../src/core/render/systemd/host.ts';
import { packageFolder } from '../../src/drivers/program.ts';
import { findProgram } from '../../src/lab/find-program.ts';
import { findKubernetesProgram, type KubernetesProgram } from '../../src/lab/kubernetes/programs.ts';
import { writeControlPlaneFiles } from './control-plane-files.ts';
import { untilWithin } from './hale.ts';
import { SystemdMachine } from './systemd-machine.ts';

const PROGRAMS = ['kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kubectl'] as const satisfies KubernetesProgram[];
/** Kubernetes takes its time on a busy machine. */
const PATIENCE_MS = 100_000;
/** This repository, in the machine. */
export const HALE = '/opt/hale';

const paths = new Map([...PROGRAMS.map((name) => [name, findKubernetesProgram(name)] as const), ['etcd', findProgram('etcd')] as const]);

/** What is not installed of etcd and Kubernetes, and how to get it; undefined when all of it is there. */
export function lackingProgram(): string | undefined {
  const lacking = [...paths].find(([, path]) => path === undefined)?.[0];
  return lacking && `no ${lacking}: \`npm run kubernetes:get\`, apt-get install etcd-server`;
}

export function until<T>(look: () => Promise<T> | T, wanted: (value: T) => boolean, what: string): Promise<T> {
  return untilWithin(PATIENCE_MS, { look, wanted, what });
}

export class SystemdHost {
  readonly machine: SystemdMachine;

  private constructor(machine: SystemdMachine) {
    this.machine = machine;
  }

  /** `lan` is the namespace of its switch. Host 1 is cp1 with 10.77.0.11 and fd77::11. */
  static async start(lan: string, number = 1): Promise<SystemdHost> {
    const programs = [...paths].flatMap(([name, path]) => (path === undefined ? [] : [[path, `/usr/local/bin/${name}`]]));
    const addresses = [`10.77.0.1${number}/24`, `fd77::1${number}/64`];
    const mounts = { ...Object.fromEntries(programs), [packageFolder]: HALE };
    const machine = await SystemdMachine.start({ name: `cp${number}`, lan, addresses, mounts });
    await machine.output('ln', '-s', `${HALE}/hale`, '/usr/local/bin/hale');
    return new SystemdHost(machine);
  }

  /** Puts everything there, with new certificates; `changes` are keys at the top of cluster.yaml. */
  async install(changes: object = {}): Promise<void> {
    const read = readCluster(clusterYaml(changes), 'cluster.yaml');
    if (!read.ok) throw new Error(JSON.stringify(read.problems));
    const host = read.cluster.controlPlane.hosts[0] as (typeof read.cluster.controlPlane.hosts)[number];
    const secrets = { encryptionKeys: [{ name: 'first', secret: Buffer.alloc(32, 7).toString('base64') }], etcdToken: 'units' };
    for (const file of renderSystemdHost(read.cluster, host, secrets).files) this.put(file);
    this.describe(changes);
    this.put({ path: '/etc/hale/cluster.key', text: `${'5a'.repeat(32)}\n`, mode: 0o600 });
    await writeControlPlaneFiles(this.machine.root, { cluster: read.cluster, host });
    await this.machine.output('systemd-sysusers');
    await this.machine.output('systemd-tmpfiles', '--create', '/etc/tmpfiles.d/hale.conf');
    await this.machine.output('systemctl', 'daemon-reload');
  }

  /** Puts only cluster.yaml there. */
  describe(changes: object): void {
    this.put({ path: '/etc/hale/cluster.yaml', text: clusterYaml(changes), mode: 0o644 });
  }

  put({ path, text, mode }: RenderedFile): void {
    const target = join(this.machine.root, path);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, text, { mode });
  }

  async mainPid(name: string): Promise<number> {
    return Number(await this.machine.output('systemctl', 'show', '--value', '--property=MainPID', name));
  }

  journal(unit: string): Promise<string> {
    return this.machine.output('journalctl', '--no-pager', '--output=cat', `--unit=${unit}`);
  }
}

/** `changes` are keys at the top. */
export function clusterYaml(changes: object): string {
  const etcd = paths.get('etcd');
  const version = etcd && /etcd Version: (\d+\.\d+)/.exec(execFileSync(etcd, ['--version'], { encoding: 'utf8' }))?.[1];
  return stringify({
    apiVersion: 'hale.dev/v1alpha1',
    kind: 'Cluster',
    name: 'units',
    distribution: 'systemd',
    endpoint: { address: '10.77.0.100', interface: 'eth0' },
    controlPlane: { hosts: [{ name: 'cp1', address: '10.77.0.11/24' }] },
    etcd: { disk: 'slow', ...(version && { version }) },
    ...changes,
  });
}
