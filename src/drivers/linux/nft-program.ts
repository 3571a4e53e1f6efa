/** Runs the `nft` program: some 8 ms, in which this process stands still. What changes often goes by netlink (nft-sets.ts). */
import { spawnSync } from 'node:child_process';

export type NftRun = { ok: true } | { ok: false; reason: string; nftMissing: boolean };

/** Carries out the script as one transaction. */
export function runNft(script: string): NftRun {
  return run(script, ['-f', '-']);
}

/** Has the kernel look at the script as if it were carried out, and changes nothing. */
export function checkNft(script: string): NftRun {
  return run(script, ['--check', '-f', '-']);
}

function run(input: string, argv: readonly string[]): NftRun {
  const run = spawnSync('nft', argv, { input, encoding: 'utf8' });
  if (run.error !== undefined) return { ok: false, reason: `nft cannot be started: ${run.error.message}`, nftMissing: true };
  if (run.status === 0) return { ok: true };
  const firstLine = run.stderr.split('\n').find((line) => line !== '');
  return { ok: false, reason: `nft: ${firstLine ?? `ended by ${run.signal ?? run.status}`}`, nftMissing: false };
}
