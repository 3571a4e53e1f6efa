/** The watch over budgets as a program of its own in the client's host: what it sees does not come from whoever evicts. Speaks like the probe: options in, `ready`, `stop`, `end`. */
import { readFileSync, writeFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { setTimeout as sleep } from 'node:timers/promises';
import { BudgetLedger } from '../../core/drill/budgets.ts';
import { boottime } from '../../drivers/linux/boottime.ts';
import { serve } from '../probe/serve.ts';
import { Collection } from './collection.ts';
import { type BudgetJson, type PodJson, watchedBudget, watchedPod } from './objects.ts';
import type { BudgetWatchOptions } from './options.ts';
import type { BudgetWatchRecord } from './record.ts';

await serve<BudgetWatchOptions>(async (options, { ready, stopped }) => {
  const [ca, cert, key] = [options.caFile, options.certFile, options.keyFile].map((file) => readFileSync(file));
  const secureContext = createSecureContext({ ca, cert, key });
  const common = {
    target: { host: options.address, port: options.port, servername: options.serverName, secureContext },
    now: boottime.now,
  };
  const ledger = new BudgetLedger();
  let events = 0;
  const counted =
    <T>(tell: (object: T, atMs: number) => void) =>
    (object: T, atMs: number): void => {
      events++;
      tell(object, atMs);
    };
  const budgets = new Collection<BudgetJson>({
    ...common,
    path: '/apis/policy/v1/poddisruptionbudgets',
    sink: {
      replaced: (all, atMs) => ledger.budgetsReplaced(all.map(watchedBudget), atMs),
      changed: counted((one, atMs) => ledger.budgetChanged(watchedBudget(one), atMs)),
      removed: counted((one) => ledger.budgetRemoved(one.metadata)),
    },
  });
  await budgets.listed;
  const pods = new Collection<PodJson>({
    ...common,
    path: '/api/v1/pods',
    sink: {
      replaced: (all, atMs) => ledger.podsReplaced(all.map(watchedPod), atMs),
      changed: counted((one, atMs) => ledger.podChanged(watchedPod(one), atMs)),
      removed: counted((one, atMs) => ledger.podRemoved(watchedPod(one), atMs)),
    },
  });
  await pods.listed;
  ready();
  await stopped;
  await sleep(options.settleMs);
  const record: BudgetWatchRecord = { ...ledger.report(), events, gaps: budgets.gaps + pods.gaps };
  writeFileSync(options.outFile, JSON.stringify(record));
});
