/** Runs the `nft` program: some 8 ms, in which this process stands still. What changes often goes by netlink (nft-sets.ts). */
import { spawnSync } from 'node:child_process';

export type NftRun = { ok: true } | { ok: false; reason: string; nftMissing: boolean };

/** Carries out the script as one transaction. */
export function runNft(script: string): NftRun {
  return runWith(['-f', '-'], script);
}

/** Has the kernel look at the script as if it were carried out, and changes nothing. */
export function checkNft(script: string): NftRun {
  return runWith(['--check', '-f', '-'], script);
}

function runWith(argv: readonly string[], input: string): NftRun {
  const run = spawnSync('nft', argv, { input, encoding: 'utf8' });
  if (run.error !== undefined) return { ok: false, reason: `nft cannot be started: ${run.error.message}`, nftMissing: true };
  if (run.status === 0) return { ok: true };
  const firstLine = run.stderr.split('\n').find((line) => line !== '');
  return { ok: false, reason: `nft: ${firstLine ?? `ended by ${run.signal ?? run.status}`}`, nftMissing: false };
}

/** Enough for the rules of some ten thousand services. */
const LISTING_MAX_BYTES = 256 << 20;

export type Listed = { ok: true; ruleset: unknown } | { ok: false; reason: string };

/** All rules of this network namespace as `nft -j` prints them, without what is in named sets. */
export function listRuleset(): Listed {
  const listed = listText(['-j', '-t', 'list', 'ruleset']);
  if (!listed.ok) return listed;
  try {
    return { ok: true, ruleset: JSON.parse(listed.text) };
  } catch (error) {
    return { ok: false, reason: `nft: ${(error as Error).message}` };
  }
}

/** What an `nft list …` prints. */
export function listText(argv: readonly string[]): { ok: true; text: string } | { ok: false; reason: string } {
  const listed = spawnSync('nft', argv, { encoding: 'utf8', maxBuffer: LISTING_MAX_BYTES });
  if (listed.error !== undefined) return { ok: false, reason: `nft cannot be started: ${listed.error.message}` };
  return listed.status === 0 ? { ok: true, text: listed.stdout } : { ok: false, reason: `nft: ${listed.stderr.split('\n')[0]}` };
}
