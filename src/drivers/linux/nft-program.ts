/** Runs the `nft` program: some 8 ms, in which this process stands still. What changes often goes by netlink (nft-sets.ts). */
import { spawnSync } from 'node:child_process';

export type NftRun = { ok: true } | { ok: false; reason: string; nftMissing: boolean };

/** Carries out the script as one transaction. */
export function runNft(script: string): NftRun {
  const run = spawnSync('nft', ['-f', '-'], { input: script, encoding: 'utf8' });
  if (run.error !== undefined) return { ok: false, reason: `nft cannot be started: ${run.error.message}`, nftMissing: true };
  if (run.status === 0) return { ok: true };
  const firstLine = run.stderr.split('\n').find((line) => line !== '');
  return { ok: false, reason: `nft: ${firstLine ?? `ended by ${run.signal ?? run.status}`}`, nftMissing: false };
}
