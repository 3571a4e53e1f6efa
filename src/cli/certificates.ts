import { existsSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Command } from 'commander';
import { findSelf } from '../agent/self.ts';
import { EXIT_FINDING, HaleError } from '../base/error.ts';
import { thresholds } from '../core/cluster/kubernetes.ts';
import type { Cluster, ClusterHost } from '../core/cluster/schema.ts';
import { type CertificateFile, type CertificateProblem, certificateProblems, DAY_MS } from '../core/pki/certificate.ts';
import { afterRenewal } from '../core/pki/restart.ts';
import { PKI_DIR } from '../core/render/paths.ts';
import { createClusterPki } from '../drivers/pki/create.ts';
import { readCertificates } from '../drivers/pki/read.ts';
import { planRenewals, type Renewal, renew } from '../drivers/pki/renew.ts';
import { agreed } from './agreed.ts';
import { DEFAULT_CONFIG, readClusterFile } from './read-cluster.ts';
import { table } from './table.ts';

/** `hale certificates`: keys, certificates and kubeconfigs of the control plane, under kubeadm's names. */
export function certificatesCommand(): Command {
  return new Command('certificates')
    .description("make, look at and renew the control plane's certificates and kubeconfigs")
    .addCommand(createCommand())
    .addCommand(showCommand())
    .addCommand(renewCommand());
}

function createCommand(): Command {
  return new Command('create')
    .description('make what is missing of all keys, certificates and kubeconfigs, in a folder for each host; what exists stays as it is')
    .argument('[file]', 'cluster description', DEFAULT_CONFIG)
    .requiredOption('--out <dir>', 'folder for the tree HOST/etc/kubernetes/…; an authority that is in it is used')
    .action(async (file: string, { out }: { out: string }) => {
      const cluster = readClusterFile(file);
      mkdirSync(out, { recursive: true, mode: 0o700 });
      const { made } = await createClusterPki({ cluster, folderOf: (host) => join(out, host) });
      const rows = cluster.controlPlane.hosts.map(({ name }) => {
        const folder = join(out, name);
        return [name, `${made.filter((path) => path.startsWith(`${folder}/`)).length}`, join(folder, 'etc/kubernetes')];
      });
      process.stdout.write(table(['HOST', 'NEW FILES', 'FOLDER'], rows));
      const note =
        'Copy each folder to /etc/kubernetes of its host as root, with its permissions. It holds private keys: keep it, for renewals, where nobody else reads it.';
      process.stdout.write(made.length === 0 ? 'everything was there\n' : `${note}\n`);
    });
}

interface ShowOptions {
  dir: string;
  config: string;
  json?: true;
}

function showCommand(): Command {
  return new Command('show')
    .description('show every certificate and kubeconfig of a host, and what is wrong with it')
    .option('--dir <dir>', 'folder of certificates; the kubeconfigs are in the folder above it', PKI_DIR)
    .option('--config <file>', "cluster description, for the endpoint's names and `thresholds.certificateDays`", DEFAULT_CONFIG)
    .option('--json', 'print one JSON document')
    .action((options: ShowOptions, command: Command) => {
      // A host of kubeadm may be looked at before it has a cluster.yaml.
      const needed = command.getOptionValueSource('config') !== 'default' || existsSync(options.config);
      const cluster = needed ? readClusterFile(options.config) : undefined;
      const files = judge(options.dir, cluster);
      if (files.length === 0 || files.some(({ problems }) => problems.length > 0)) process.exitCode = EXIT_FINDING;
      process.stdout.write(
        options.json ? `${JSON.stringify({ dir: resolve(options.dir), certificates: files }, null, 2)}\n` : render(files, options.dir),
      );
    });
}

type Judged = CertificateFile & { problems: CertificateProblem[] };

function judge(dir: string, cluster: Cluster | undefined): Judged[] {
  const days = (cluster?.thresholds ?? thresholds.parse(undefined)).certificateDays;
  const nowMs = Date.now();
  return readCertificates(dir).map((file) => ({ ...file, problems: certificateProblems(file, { nowMs, days, cluster }) }));
}

function render(files: readonly Judged[], dir: string): string {
  if (files.length === 0) return `no certificate in ${dir}\n`;
  const rows = files.map((file) => [file.name, ...timesOf(file), file.problems.map(({ code }) => code).join(' ') || 'good']);
  const findings = files.flatMap(({ name, problems }) => problems.map(({ text }) => `${name}: ${text}\n`));
  return table(['CERTIFICATE', 'SUBJECT', 'ENDS', 'DAYS', 'STATE'], rows) + findings.join('');
}

function timesOf(file: CertificateFile): string[] {
  if ('unreadable' in file) return ['-', '-', '-'];
  const days = Math.floor((Date.parse(file.notAfter) - Date.now()) / DAY_MS);
  return [file.subject, file.notAfter.slice(0, 10), `${days}`];
}

interface RenewOptions {
  dir: string;
  config: string;
  host?: string;
  all?: true;
  dryRun?: true;
  yes?: true;
}

function renewCommand(): Command {
  return new Command('renew')
    .description(
      'replace certificates of a host by new ones, with new keys and the names that the cluster description wants; authorities stay',
    )
    .argument('[name...]', 'as `hale certificates show` calls them: apiserver, etcd/server, admin.conf')
    .option('--all', 'every one that is there')
    .option('--dir <dir>', 'folder of certificates, with the keys of the authorities; the kubeconfigs are in the folder above it', PKI_DIR)
    .option('--config <file>', 'cluster description', DEFAULT_CONFIG)
    .option('--host <name>', 'whose certificates they are; without it, those of this machine')
    .option('--dry-run', 'only show what would be done')
    .option('--yes', 'do not ask')
    .action(async (names: string[], options: RenewOptions, command: Command) => {
      if ((names.length === 0) !== (options.all === true)) command.error('error: name certificates, or give --all.');
      const cluster = readClusterFile(options.config);
      const host = hostOf(cluster, options);
      const renewals = planRenewals({ dir: options.dir, cluster, host, names: options.all ? 'all' : names });
      process.stdout.write(renderRenewals(renewals, host));
      if (renewals.length === 0 || options.dryRun || !(await agreed('Renew them?', { ...options, undone: 'nothing was renewed' }))) return;
      await renew(options.dir, renewals);
      process.stdout.write(`renewed: ${renewals.map(({ name }) => name).join(', ')}\n${renderAfter(renewals, cluster)}`);
    });
}

function hostOf(cluster: Cluster, options: RenewOptions): ClusterHost {
  if (options.host === undefined) return findSelf(cluster, options.config).host;
  const { hosts } = cluster.controlPlane;
  const host = hosts.find(({ name }) => name === options.host);
  if (host !== undefined) return host;
  throw new HaleError({
    code: 'host_unknown',
    kind: 'usage',
    message: `${options.config}: there is no host ${JSON.stringify(options.host)} in controlPlane.hosts`,
    remedy: `name one of ${hosts.map(({ name }) => name).join(', ')}`,
  });
}

function renderRenewals(renewals: readonly Renewal[], host: ClusterHost): string {
  if (renewals.length === 0) return 'there is nothing to renew\n';
  const rows = renewals.map(({ name, endsNow, addedNames, server }) => {
    const changes = [
      ...(addedNames.length === 0 ? [] : [`names ${addedNames.join(', ')} too`]),
      ...(server === undefined ? [] : [`leads to ${server.to}, not ${server.from}`]),
    ];
    return [name, endsNow?.slice(0, 10) ?? 'is missing', changes.join('; ') || '-'];
  });
  return `${host.name}: a new key and a new certificate for each of\n${table(['CERTIFICATE', 'ENDS NOW', 'ALSO'], rows)}`;
}

function renderAfter(renewals: readonly Renewal[], cluster: Cluster): string {
  const after = renewals.map(({ name }) => ({ name, ...afterRenewal(name, cluster) }));
  const lines = (kind: 'act' | 'reloads') => {
    const texts = new Set(after.flatMap((one) => one[kind] ?? []));
    return [...texts].map((text) => `  ${text} (${after.flatMap((one) => (one[kind] === text ? one.name : [])).join(', ')})\n`);
  };
  const [acts, reloads] = [lines('act'), lines('reloads')];
  return [
    ...(acts.length === 0 ? [] : ['to be done now, one host after the other:\n', ...acts]),
    ...(reloads.length === 0 ? [] : ['nothing to be done:\n', ...reloads]),
  ].join('');
}
