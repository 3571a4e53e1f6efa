import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import { EXIT_FINDING, EXIT_WORLD } from '../../base/error.ts';
import { type EtcdStatus, etcdStatus, type SeenMetrics } from '../../core/etcd/status/status.ts';
import { monotonic } from '../../drivers/monotonic.ts';
import { type EtcdLook, observeEtcd } from '../../engine/etcd/look.ts';
import { type EtcdOptions, etcdPlace, withEtcd, withEtcdOptions } from './options.ts';
import { renderEtcdStatus } from './render-status.ts';

const WATCH_INTERVAL_MS = 1000;
/** A member that hangs is waited for each time. */
const WATCH_TIMEOUT_MS = 2000;

interface StatusOptions extends EtcdOptions {
  watch?: true;
  json?: true;
}

/** `hale etcd status`: every member, its disk, and what may still fail. */
export function etcdStatusCommand(): Command {
  return withEtcdOptions(new Command('status'))
    .description(
      'show every member of etcd: its role, lag, database, disk and peers; alarms, and what may still fail before the quorum is lost',
    )
    .option(
      '--watch',
      `show it again every second; figures are then of the time since the last look. Unless --timeout is given, it is ${WATCH_TIMEOUT_MS}`,
    )
    .option('--json', 'print one JSON document; with --watch one a line')
    .action(async (options: StatusOptions, command: Command) => {
      const { access, cluster } = etcdPlace(options, command);
      const hosts = cluster?.controlPlane.hosts ?? [];
      const timeoutMs = timeoutOf(options, command);
      await withEtcd({ access, timeoutMs }, async (etcd) => {
        let before: ReadonlyMap<string, SeenMetrics> | undefined;
        do {
          const startedAt = monotonic.now();
          const look = await observeEtcd({ etcd, urls: access.endpoints, clock: monotonic, timeoutMs });
          const metrics = metricsOf(look);
          const status = etcdStatus({ view: look.view, metrics, hosts, ...(before === undefined ? {} : { before }) });
          show({ ...status, tookMs: Math.round(look.tookMs * 10) / 10 }, options);
          process.exitCode = exitCodeOf(status);
          // Of a member that did not answer this time the look before stays: the window is longer then.
          before = new Map([...(before ?? []), ...[...metrics].filter(([, { scrape }]) => scrape !== undefined)]);
          if (options.watch) await sleep(Math.max(0, startedAt + WATCH_INTERVAL_MS - monotonic.now()));
        } while (options.watch);
      });
    });
}

function timeoutOf({ watch, timeout }: StatusOptions, command: Command): number {
  const isNamed = command.getOptionValueSource('timeout') !== 'default';
  return watch && !isNamed ? Math.min(timeout, WATCH_TIMEOUT_MS) : timeout;
}

function metricsOf({ observed }: EtcdLook): Map<string, SeenMetrics> {
  return new Map(
    [...observed].map(([id, { observation, problem }]) => [id, observation === undefined ? { problem } : { scrape: observation.scrape }]),
  );
}

/** Where nobody answers nothing is known, which is no finding but a failure. */
function exitCodeOf({ members, findings }: EtcdStatus): number {
  if (members.length === 0) return EXIT_WORLD;
  return findings.length > 0 ? EXIT_FINDING : 0;
}

function show(status: EtcdStatus & { tookMs: number }, { json, watch }: StatusOptions): void {
  if (json) process.stdout.write(`${JSON.stringify(status, null, watch ? undefined : 2)}\n`);
  else process.stdout.write(`${watch && process.stdout.isTTY ? '\u001b[2J\u001b[H' : ''}${renderEtcdStatus(status)}`);
}
