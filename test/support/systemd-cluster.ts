/** Three machines of systemd-machine.ts and a client on one switch, set up by the commands of docs/guide/systemd.md and by nothing else. */
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readKubeconfig } from '../../src/drivers/kubernetes/kubeconfig.ts';
import { packageFolder } from '../../src/drivers/program.ts';
import { CLEAN_ENVIRONMENT, run } from '../../src/lab/command.ts';
import { findKubernetesProgram } from '../../src/lab/kubernetes/programs.ts';
import { createTestLan, type TestLan } from './netns.ts';
import { clusterYaml, SystemdHost } from './systemd-host.ts';

export const ENDPOINT = '10.77.0.100';
const HOSTS = [1, 2, 3];
/** Some commands wait for the cluster. */
const PATIENCE_MS = 240_000;

export class SystemdCluster {
  readonly hosts: SystemdHost[] = [];
  /** Of the administrator; the client is on the network of the hosts. */
  readonly dir = mkdtempSync(join(tmpdir(), 'hale-systemd-cluster-'));
  readonly #lan: TestLan;

  private constructor() {
    this.#lan = createTestLan(['client']);
    this.client.run('ip', 'address', 'add', '10.77.0.10/24', 'dev', 'eth0');
  }

  /** Hosts without anything but the programs, and an administrator with cluster.yaml. */
  static async start(): Promise<SystemdCluster> {
    const cluster = new SystemdCluster();
    try {
      const started = await Promise.allSettled(HOSTS.map((number) => SystemdHost.start(cluster.#lan.lan, number)));
      cluster.hosts.push(...started.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : [])));
      for (const one of started) if (one.status === 'rejected') throw one.reason;
      cluster.#prepare();
      return cluster;
    } catch (error) {
      await cluster.remove();
      throw error;
    }
  }

  get client() {
    return this.#lan.hosts[0] as TestLan['hosts'][number];
  }

  /** Enters the client's network. */
  get prefix(): string[] {
    return ['ip', 'netns', 'exec', this.client.namespace];
  }

  /** Runs shell commands as the administrator would type them; throws when one fails. */
  async shell(commands: string): Promise<string> {
    const env = [
      'env',
      '-C',
      this.dir,
      `PATH=${join(this.dir, 'bin')}:${CLEAN_ENVIRONMENT['PATH']}`,
      `KUBECACHEDIR=${join(this.dir, 'kubectl')}`,
    ];
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const { code, stdout, stderr } = await run([...this.prefix, ...env, 'sh', '-euc', commands], { signal });
    if (code !== 0) throw new Error(`${commands}\nended with ${code}: ${stderr}${stdout}`);
    return stdout;
  }

  /** The administrator whom nothing is refused, as files of a certificate. */
  adminFiles(): { caFile: string; certFile: string; keyFile: string } {
    const { ca, client } = readKubeconfig(join(this.dir, 'tree/cp1/etc/kubernetes/super-admin.conf'));
    const write = (name: string, text: string): string => {
      writeFileSync(join(this.dir, name), text, { mode: 0o600 });
      return join(this.dir, name);
    };
    return {
      caFile: write('ca.pem', ca as string),
      certFile: write('admin.pem', client?.cert as string),
      keyFile: write('admin.key', client?.key as string),
    };
  }

  async remove(): Promise<void> {
    await Promise.all(this.hosts.map(({ machine }) => machine.remove()));
    this.#lan.remove();
    rmSync(this.dir, { recursive: true });
  }

  #prepare(): void {
    const hosts = HOSTS.map((number) => ({ name: `cp${number}`, address: `10.77.0.1${number}/24` }));
    const description = clusterYaml({ endpoint: { address: ENDPOINT, interface: 'eth0' }, controlPlane: { hosts } });
    writeFileSync(join(this.dir, 'cluster.yaml'), description);
    const bin = join(this.dir, 'bin');
    mkdirSync(bin);
    symlinkSync(join(packageFolder, 'hale'), join(bin, 'hale'));
    symlinkSync(findKubernetesProgram('kubectl') as string, join(bin, 'kubectl'));
    writeFileSync(join(bin, 'ssh'), this.#ssh());
    chmodSync(join(bin, 'ssh'), 0o755);
  }

  /** `ssh root@cp1 COMMAND` for hosts without an sshd. */
  #ssh(): string {
    const cases = this.hosts.map(({ machine }, i) => `root@cp${i + 1}) pid=${machine.pid} ;;`);
    return `#!/bin/sh
case $1 in ${cases.join(' ')} esac
shift
exec nsenter -t "$pid" -m -u -i -n -p -C -r -w -- env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin HOME=/root sh -c "$*"
`;
  }
}

/** The shell commands of the guide's section "Set up", in their order. */
export function guideCommands(): string[] {
  const guide = readFileSync(join(packageFolder, 'docs/guide/systemd.md'), 'utf8');
  const section = /^## Set up$(.*?)^## /ms.exec(guide)?.[1] as string;
  return [...section.matchAll(/^( *)```sh\n(.*?)^ *```$/gms)].map(([, indent, text]) =>
    (text as string).replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
  );
}
