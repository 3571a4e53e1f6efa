import { networkInterfaces } from 'node:os';
import { InvalidArgumentError, Option, type Command } from 'commander';
import { EXIT_FINDING, EXIT_WORLD } from '../base/error.ts';
import { judge } from '../core/apiserver/judge.ts';
import { apiserverTargets } from '../core/cluster/names.ts';
import type { Cluster } from '../core/cluster/schema.ts';
import { readInstances } from '../drivers/kubernetes/figures.ts';
import { readKubeconfig } from '../drivers/kubernetes/kubeconfig.ts';
import { renderDeep } from './render-deep.ts';
import { wholeNumber } from './whole-number.ts';

export interface DeepOptions {
  deep?: true;
  over: number;
  json?: true;
}

const OVER_SECONDS = 5;

/** The options of `hale status` that ask the API servers themselves. */
export function addDeepOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        '--deep',
        "ask each API server's own metrics instead, judged by `thresholds`; needs the kubeconfig, but no agent",
      ).conflicts('watch'),
    )
    .addOption(new Option('--over <seconds>', 'with --deep: time between the two looks').argParser(seconds).default(OVER_SECONDS));
}

function seconds(text: string): number {
  const value = wholeNumber(text);
  if (value < 1 || value > 3600) throw new InvalidArgumentError('expected 1 to 3600 seconds.');
  return value;
}

/** `hale status --deep`: figures of every API server, and what is too much. Where none answers nothing is known, which is no finding but a failure. */
export async function showDeep(cluster: Cluster, { over, json }: DeepOptions): Promise<void> {
  const local = new Set(Object.values(networkInterfaces()).flatMap((all) => all?.map(({ address }) => address) ?? []));
  const places = apiserverTargets(cluster).map((target, i) => ({
    ...target,
    isHere: cluster.controlPlane.hosts[i]?.addresses.some(({ address }) => local.has(address)) ?? false,
  }));
  const instances = await readInstances(readKubeconfig(cluster.kubernetes.kubeconfig), { places, seconds: over });
  const judgements = judge(instances, cluster.thresholds);
  const findings = judgements.filter(({ verdict }) => verdict === 'finding').length;
  process.stdout.write(json ? `${JSON.stringify({ findings, judgements, instances }, null, 2)}\n` : renderDeep(instances, judgements));
  if (findings > 0) process.exitCode = instances.every(({ figures }) => figures === null) ? EXIT_WORLD : EXIT_FINDING;
}
