/** The checks of the simulator can fail: each is shown a core that breaks just that. That of two who answer is in planted.test.ts and scenarios.test.ts. */
import { afterEach, expect, test, vi } from 'vitest';

const CALM = `members 3
seed 5
at 10000 drain holder for 1000
end 40000
`;

afterEach(() => {
  vi.doUnmock('../../src/core/lease/candidate.ts');
  vi.doUnmock('../../src/core/lease/granter.ts');
  vi.doUnmock('../../src/core/lease/timing.ts');
  vi.doUnmock('../../src/core/lease/round.ts');
  vi.doUnmock('../../src/core/lease/handover.ts');
  vi.doUnmock('../../src/sim/kernel.ts');
  vi.resetModules();
});

async function kindsOf(text: string): Promise<string[]> {
  const { runScenario } = await import('../../src/sim/run.ts');
  const { parseScenario } = await import('../../src/sim/scenario-text.ts');
  return [...new Set(runScenario(parseScenario(text)).violations.map(({ kind }) => kind))];
}

test('nothing is wrong with the core as it is', async () => {
  expect(await kindsOf(CALM)).toEqual([]);
});

test('term: every holder has the first one', async () => {
  vi.doMock('../../src/core/lease/candidate.ts', async (original) => {
    const candidate = await original<typeof import('../../src/core/lease/candidate.ts')>();
    const receivePromise: typeof candidate.receivePromise = (turn, from) => {
      candidate.receivePromise(turn, from);
      for (const output of turn.outputs) if (output.kind === 'became-holder') output.term = 1;
    };
    return { ...candidate, receivePromise };
  });
  expect(await kindsOf(CALM.replace('drain', 'isolate'))).toContain('term');
});

test('no majority: granters that say yes and promise nothing', async () => {
  vi.doMock('../../src/core/lease/granter.ts', async (original) => {
    const granter = await original<typeof import('../../src/core/lease/granter.ts')>();
    const answerRequest: typeof granter.answerRequest = (state, ...rest) => ({ ...granter.answerRequest(state, ...rest), granter: state });
    return { ...granter, answerRequest };
  });
  expect(await kindsOf(CALM)).toContain('no-majority');
});

test('late: nobody ever stands', async () => {
  vi.doMock('../../src/core/lease/round.ts', async (original) => ({ ...(await original<object>()), canStand: () => false }));
  expect(await kindsOf(CALM)).toContain('late');
});

test('dark: a lease that ends before it is renewed', async () => {
  vi.doMock('../../src/core/lease/timing.ts', async (original) => ({ ...(await original<object>()), holdMs: () => 60 }));
  expect(await kindsOf(CALM)).toContain('dark');
});

test('moved: a holder that gives up now and then', async () => {
  vi.doMock('../../src/sim/kernel.ts', async (original) => {
    const { SimKernel } = await original<typeof import('../../src/sim/kernel.ts')>();
    let holds = 0;
    class Forgetful extends SimKernel {
      override hold(untilMs: number) {
        return holds++ % 100 === 99 ? { ok: false as const, reason: 'planted' } : super.hold(untilMs);
      }
    }
    return { SimKernel: Forgetful };
  });
  expect(await kindsOf(CALM)).toContain('moved');
});

test('hand-over: a holder that never says yield', async () => {
  vi.doMock('../../src/core/lease/handover.ts', async (original) => ({ ...(await original<object>()), receiveReady: () => {} }));
  expect(await kindsOf(CALM)).toContain('hand-over');
});

test('stale clients: a holder that nobody hears announce itself', async () => {
  vi.doMock('../../src/sim/kernel.ts', async (original) => {
    const { SimKernel } = await original<typeof import('../../src/sim/kernel.ts')>();
    class Mute extends SimKernel {
      override announce() {}
    }
    return { SimKernel: Mute };
  });
  expect(await kindsOf(CALM)).toContain('stale-clients');
});
