import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Cluster } from '../../core/cluster/schema.ts';
import type { DrainSettings } from '../../core/cluster/heal.ts';
import { wholeNumber } from '../whole-number.ts';

/** Of commands that drain; the names of the flags are kubectl's. */
export interface DrainOptions {
  force?: true;
  deleteEmptydirData?: true;
  gracePeriod?: number;
  timeout?: number;
  disableEviction?: true;
  parallel?: number;
}

export function withDrainOptions(command: Command): Command {
  return command
    .option('--force', 'also end Pods that no controller makes anew')
    .option('--delete-emptydir-data', 'also end Pods with emptyDir volumes, whose data is gone then')
    .addOption(
      new Option('--grace-period <s>', 'grace period of every Pod, in seconds; by default what each Pod says').argParser(wholeNumber),
    )
    .addOption(
      new Option('--timeout <s>', 'how long the drain may take, in seconds; by default heal.drain.deadlineSeconds').argParser(positive),
    )
    .option('--disable-eviction', 'past the timeout delete what is left, whatever its budgets say')
    .addOption(new Option('--parallel <n>', 'Pods that may be on their way out at the same time').argParser(positive));
}

function positive(text: string): number {
  const value = wholeNumber(text);
  if (value < 1) throw new InvalidArgumentError('expected a whole number of at least 1.');
  return value;
}

/** What the description says, and over it what the command line says. */
export function drainSettings(options: DrainOptions, { heal }: Cluster): DrainSettings {
  const { drain } = heal;
  return {
    ...drain,
    ...(options.force ? { unmanagedPods: 'delete' as const } : {}),
    ...(options.deleteEmptydirData ? { emptyDirPods: 'delete' as const } : {}),
    ...(options.gracePeriod === undefined ? {} : { graceSeconds: options.gracePeriod }),
    deadlineSeconds: options.timeout ?? drain.deadlineSeconds,
    atDeadline: options.disableEviction ? 'delete' : 'stop',
    parallel: options.parallel ?? drain.parallel,
  };
}
