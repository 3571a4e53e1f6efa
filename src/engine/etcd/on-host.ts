import { HaleError } from '../../base/error.ts';
import { encodeAsciiJson } from '../../base/ascii-json.ts';
import { decodeOperation } from '../../core/etcd/operation.ts';
import type { EtcdView } from '../../core/etcd/view.ts';
import type { EtcdStopSignal } from '../../ports/etcd.ts';
import type { Host } from '../../ports/host.ts';
import type { Fingerprint } from './fingerprint.ts';
import { OPERATION_KEY, operationUnderWay } from './operation-lock.ts';

/** Words with etcd, said on a host by hale there: an operator's machine may not reach etcd, and has none of its certificates. */

/** hale starts in a second; a machine that is drowned in work takes many. */
const ASK_MS = 120_000;

export interface Asking {
  host: Host;
  signal?: EtcdStopSignal;
}

/** Every member, as seen from that host. `waitMs`: for members that give no answer; hale's own time-out when absent. */
export async function statusOnHost(asking: Asking, waitMs?: number): Promise<EtcdView> {
  return await haleOnHost<EtcdView>(asking, ['etcd', 'status', ...(waitMs === undefined ? [] : ['--timeout', `${waitMs}`])]);
}

export async function fingerprintOnHost(asking: Asking, revision?: number): Promise<Fingerprint> {
  const at = revision === undefined ? [] : ['--revision', `${revision}`];
  return await haleOnHost<Fingerprint>(asking, ['etcd', 'fingerprint', ...at]);
}

/** Fails with HaleError `etcd_operation_under_way` while somebody holds the lock over operations. True when nobody does, false when etcd gives no answer, as without a quorum. */
export async function nobodyWorks(asking: Asking): Promise<boolean> {
  let found: { value: { json?: unknown } } | null;
  try {
    found = await haleOnHost(asking, ['etcd', 'get', OPERATION_KEY]);
  } catch {
    return false;
  }
  if (found === null) return true;
  throw operationUnderWay(decodeOperation(encodeAsciiJson(found.value.json ?? null)));
}

/** Runs a command of hale there, and reads its document, which one that ends with a finding has too. */
export async function haleOnHost<T>({ host, signal }: Asking, args: readonly string[], timeoutMs = ASK_MS): Promise<T> {
  const argv = [...host.hale, ...args, '--json'];
  const { code, stdout, stderr } = await host.run(argv, { timeoutMs, ...(signal === undefined ? {} : { signal }) });
  try {
    return JSON.parse(stdout) as T;
  } catch {
    throw commandFailed({ host: host.name, shown: argv.join(' '), code, said: stderr || stdout });
  }
}

export function commandFailed({ host, shown, code, said }: { host: string; shown: string; code: number; said: string }): HaleError {
  return new HaleError({
    code: 'host_command_failed',
    kind: 'world',
    message: `${host}: ${shown} ended with ${code}: ${lastWords(said)}`,
  });
}

function lastWords(said: string): string {
  return said.trim().split('\n').slice(-3).join(' | ').slice(-600) || 'it said nothing';
}
