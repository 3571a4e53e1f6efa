/** Runs in the guest kernel: every scenario, and for each a line with its name and what went wrong. */
import { makeNetwork } from './network.ts';
import { cleanUp, scenarios } from './scenarios.ts';

const [, , only] = process.argv;
makeNetwork();
for (const [name, run] of Object.entries(scenarios)) {
  if (only !== undefined && !name.includes(only)) continue;
  const failure = await attempt(run);
  const left = await attempt(cleanUp);
  console.log(`RESULT ${JSON.stringify({ name, failure: failure ?? left ?? null })}`);
}
process.exit(0);

async function attempt(work: () => Promise<void>): Promise<string | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    return (error as Error).stack ?? String(error);
  }
}
