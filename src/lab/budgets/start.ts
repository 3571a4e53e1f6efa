import { programFile } from '../../drivers/program.ts';
import { recordingFile, requestsOf } from '../drill/instruments.ts';
import type { Lab } from '../lab.ts';
import { type Instrument, startInstrument } from '../probe/process.ts';
import type { BudgetWatchOptions } from './options.ts';
import type { BudgetWatchRecord } from './record.ts';

const SETTLE_MS = 1000;

/**
 * Starts the watch over every PodDisruptionBudget of a lab with a real API server, in its client's host: resolves when it sees all Pods and budgets. `stop` ends
 * it, and says where a budget was not kept and why.
 */
export function startBudgetWatch(lab: Lab): Promise<Instrument<BudgetWatchRecord>> {
  const { address, port, serverName, caFile } = requestsOf(lab);
  const options: BudgetWatchOptions = {
    address,
    port,
    serverName,
    caFile,
    certFile: '/etc/kubernetes/pki/admin.crt',
    keyFile: '/etc/kubernetes/pki/admin.key',
    settleMs: SETTLE_MS,
    outFile: recordingFile(lab, 'budgets.json'),
  };
  const read = (text: string): BudgetWatchRecord => JSON.parse(text) as BudgetWatchRecord;
  return startInstrument(lab.client.command([]), { file: programFile('lab/budgets/main'), options, read });
}
