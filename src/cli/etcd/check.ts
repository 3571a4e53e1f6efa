import { randomBytes } from 'node:crypto';
import { styleText } from 'node:util';
import { Command, InvalidArgumentError, Option } from 'commander';
import { EXIT_FINDING, EXIT_WORLD } from '../../base/error.ts';
import { thresholds } from '../../core/cluster/kubernetes.ts';
import { judgeCheck } from '../../core/etcd/check/check.ts';
import { CLUSTER, type EtcdJudgement, findingsOf } from '../../core/etcd/check/judgement.ts';
import { createEtcdAdmin } from '../../drivers/etcd/admin.ts';
import { readEtcdTls } from '../../drivers/etcd/tls.ts';
import { monotonic } from '../../drivers/monotonic.ts';
import { gatherCheck } from '../../engine/etcd/check.ts';
import { interruptible } from '../interrupt.ts';
import { createProgress } from '../progress.ts';
import { wholeNumber } from '../whole-number.ts';
import { type EtcdOptions, etcdPlace, withEtcd, withEtcdOptions } from './options.ts';
import { renderJudgements } from './render-status.ts';

interface CheckCommandOptions extends EtcdOptions {
  latency: boolean;
  scanMib: number;
  maxRequestBytes: number;
  json?: true;
}

/** A hash of 8 GiB takes this long on a slow disk. */
const PATIENT_MS = 120_000;
const MIB = 1024 ** 2;

/** `hale etcd check`: everything about etcd that can be known from outside, and what to do about it. */
export function etcdCheckCommand(): Command {
  return withEtcdOptions(new Command('check'))
    .description(
      'look for what is wrong with etcd and for what will be: keys that differ between members, slow disks, certificates that end, a newest snapshot that is too old, values and databases near their limits, odd numbers of members, wrong peer URLs, versions with known faults',
    )
    .option('--no-latency', 'leave out the 200 writes of 1 KiB, 100 a second, that are timed and deleted')
    .addOption(
      new Option('--scan-mib <n>', 'look at the sizes of so many MiB of values, which takes reading them; 0 for none')
        .argParser(scanSize)
        .default(256),
    )
    .addOption(new Option('--max-request-bytes <n>', 'that of etcd, which a value cannot exceed').argParser(wholeNumber).default(1_572_864))
    .option('--json', 'print one JSON document')
    .action(async (options: CheckCommandOptions, command: Command) => {
      const judgements = await interruptible((signal) => check(options, command, signal));
      const findings = findingsOf(judgements);
      process.stdout.write(options.json ? `${JSON.stringify({ findings: findings.length, judgements }, null, 2)}\n` : render(judgements));
      const isNobodyThere = judgements.every(({ id, verdict }) => id !== 'answer' || verdict !== 'good');
      process.exitCode = isNobodyThere ? EXIT_WORLD : findings.length > 0 ? EXIT_FINDING : 0;
    });
}

function scanSize(text: string): number {
  const value = wholeNumber(text);
  if (value > 65_536) throw new InvalidArgumentError('expected 0 to 65536 MiB.');
  return value;
}

async function check(options: CheckCommandOptions, command: Command, signal: AbortSignal): Promise<EtcdJudgement[]> {
  const { access, cluster } = etcdPlace(options, command);
  const limits = cluster?.thresholds ?? thresholds.parse({});
  const timeoutMs = options.timeout;
  const progress = createProgress();
  const open = (endpoints: readonly string[], ms: number) => createEtcdAdmin({ endpoints, tls: readEtcdTls(access), timeoutMs: ms });
  const patient = open(access.endpoints, Math.max(timeoutMs, PATIENT_MS));
  try {
    const facts = await withEtcd({ access, timeoutMs }, (etcd) =>
      gatherCheck({
        etcd,
        patient,
        clientAt: (url) => open([url], timeoutMs),
        urls: access.endpoints,
        hosts: cluster?.controlPlane.hosts ?? [],
        clock: monotonic,
        timeoutMs,
        latencyPrefix: options.latency ? `/hale/check/${randomBytes(8).toString('hex')}/` : undefined,
        scanBytes: options.scanMib * MIB,
        signal,
        onStep: (text) => progress.step(text),
        onProgress: (text) => progress.at(text),
      }),
    );
    const { latency } = facts;
    if ('leftover' in latency && latency.leftover !== null) progress.step(latency.leftover);
    return judgeCheck(facts, {
      nowMs: Date.now(),
      certificateDays: limits.certificateDays,
      latencyP99Ms: limits.etcdRequestP99Ms,
      maxRequestBytes: options.maxRequestBytes,
      snapshots: cluster?.etcd.snapshots ?? {},
    });
  } finally {
    progress.end();
    patient.close();
  }
}

/** What is good first, what needs attention last, where the eye is. */
function render(judgements: readonly EtcdJudgement[]): string {
  const of = (verdict: EtcdJudgement['verdict']) => judgements.filter((judgement) => judgement.verdict === verdict);
  const [good, unknown, findings] = [of('good'), of('not-judged'), findingsOf(judgements)];
  const parts = [
    [...new Set(good.map(({ id }) => id))].map((id) => goodLine(good.filter((judgement) => judgement.id === id))).join(''),
    unknown.map(({ place, says }) => `${'not judged'.padEnd(12)}${place}: ${says}\n`).join(''),
    renderJudgements(findings),
  ];
  const total = `${findings.length} findings, ${good.length} good, ${unknown.length} not judged\n`;
  return [...parts.filter((part) => part !== ''), findings.length > 0 ? styleText('red', total) : total].join('\n');
}

/** One line for all members: who wants every sentence takes --json. */
function goodLine(alike: readonly EtcdJudgement[]): string {
  const [{ id = '', place = '', says = '' } = {}] = alike;
  const each = alike.map((judgement) => (judgement.value === null ? judgement.place : `${judgement.place} ${judgement.value}`));
  const text = alike.length === 1 && place === CLUSTER ? says : each.join(', ');
  return `${styleText('green', 'good'.padEnd(12))}${id.padEnd(20)}${text}\n`;
}
