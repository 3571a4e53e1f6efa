/** The `ipvs` datapath on a real kernel with IPVS: a guest, as few machines that run tests have it. */
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { HaleError } from '../../src/base/error.ts';
import { openLoadedTable, openTable } from '../../src/drivers/linux/ipvs/table.ts';
import { type GuestResult, guestKernelProblem, runInGuest } from '../support/guest-kernel.ts';
import { scenarios } from './ipvs/scenarios.ts';

const MODULES = ['veth', 'bridge', 'tcp_diag', 'ip_vs', 'ip_vs_lc', 'ip_vs_rr', 'nft_ct', 'nft_masq', 'nft_chain_nat'];
/** Emulated, and the machine may be busy: it takes half a minute on an idle one. */
const LIMIT_MS = 400_000;
const problem = guestKernelProblem();

describe.skipIf(problem)(`the ipvs datapath in a kernel of its own${problem ? `: skipped, ${problem}` : ''}`, () => {
  let result: GuestResult;
  const failures = new Map<string, string | null>();

  beforeAll(async () => {
    result = await runInGuest({ script: join(import.meta.dirname, 'ipvs/main.ts'), modules: MODULES, timeoutMs: LIMIT_MS });
    for (const [, told = ''] of result.output.matchAll(/^RESULT (.*)$/gm)) {
      const { name, failure } = JSON.parse(told) as { name: string; failure: string | null };
      failures.set(name, failure);
    }
  }, LIMIT_MS + 30_000);

  test.each(Object.keys(scenarios))('%s', (name) => {
    const failure = failures.get(name);
    expect(failure === undefined ? `not run; the guest said:\n${result.output}` : failure).toBeNull();
  });
});

const loaded = openLoadedTable();
loaded?.close();
describe.skipIf(loaded !== undefined)(`a kernel without IPVS${loaded === undefined ? '' : ': skipped, this one has it'}`, () => {
  test('is told of with what modprobe said, and what to install', () => {
    const attempt = () => openTable().close();
    expect(attempt).toThrow(HaleError);
    expect(attempt).toThrow(expect.objectContaining({ code: 'ipvs_unavailable', message: expect.stringMatching(/modprobe ip_vs.*: \S/) }));
  });
});
