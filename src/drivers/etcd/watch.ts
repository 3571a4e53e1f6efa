import { Code, ConnectError } from '@connectrpc/connect';
import type { EtcdWatchBatch, EtcdWatchEvent, EtcdWatchOptions } from '../../ports/etcd.ts';
import type { Endpoint, Endpoints } from './endpoints.ts';
import { type EtcdFailure, toHaleError } from './failure.ts';
import type { Event, WatchResponse } from './gen/rpc_pb.ts';
import { toKeyValue } from './messages.ts';

const EVENT_DELETE = 1;
const NONE = new Uint8Array(0);

/** See Etcd.watch. Throws when every endpoint in turn failed without a sign of life. */
export async function* watch(endpoints: Endpoints, key: Uint8Array, options: EtcdWatchOptions): AsyncGenerator<EtcdWatchBatch> {
  let startRevision = options.startRevision ?? 0;
  let failures: EtcdFailure[] = [];
  while (!options.signal.aborted) {
    const endpoint = endpoints.preferred;
    const stream = openStream({ endpoint, timeoutMs: endpoints.timeoutMs, key, watch: { ...options, startRevision } });
    try {
      for await (const response of stream) {
        failures = [];
        if (response.created && startRevision === 0) startRevision = Number(response.header?.revision ?? 0n) + 1;
        if (response.events.length === 0) continue;
        // Not the header's revision: while the watch catches up, that is ahead of the events.
        const events = response.events.map(toWatchEvent);
        const revision = (events.at(-1) as EtcdWatchEvent).kv.modRevision;
        startRevision = revision + 1;
        yield { revision, events };
      }
    } catch (error) {
      if (options.signal.aborted) return;
      failures.push(endpoints.fail(endpoint, error));
      if (failures.length >= endpoints.size || failures.at(-1)?.retry === 'none') throw toHaleError('watch', failures);
    }
  }
}

interface StreamOptions {
  endpoint: Endpoint;
  timeoutMs: number;
  key: Uint8Array;
  watch: EtcdWatchOptions & { startRevision: number };
}

/** One watch at one endpoint, until it fails or is stopped. Fails when etcd does not confirm it in time, or cancels it. */
async function* openStream(options: StreamOptions): AsyncGenerator<WatchResponse> {
  const { endpoint, watch: wanted } = options;
  const controller = new AbortController();
  const stop = () => controller.abort();
  wanted.signal.addEventListener('abort', stop);
  const silence = setTimeout(() => controller.abort(new ConnectError('watch not confirmed', Code.DeadlineExceeded)), options.timeoutMs);
  try {
    const requests = requestStream(options, controller.signal);
    // With `hasleader`, a member that is cut off from the majority ends the watch instead of staying silent.
    const responses = endpoint.watch.watch(requests, { signal: controller.signal, headers: { hasleader: 'true' } });
    for await (const response of responses) {
      clearTimeout(silence);
      if (response.canceled) throw cancelError(response);
      yield response;
    }
    throw new ConnectError('etcd ended the watch', Code.Unavailable);
  } finally {
    clearTimeout(silence);
    wanted.signal.removeEventListener('abort', stop);
    controller.abort();
  }
}

async function* requestStream({ key, watch: wanted }: StreamOptions, signal: AbortSignal) {
  yield {
    requestUnion: {
      case: 'createRequest' as const,
      value: { key, rangeEnd: wanted.rangeEnd ?? NONE, startRevision: BigInt(wanted.startRevision), prevKv: true },
    },
  };
  // etcd ends the watch when this side of the stream ends.
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}

function cancelError(response: WatchResponse): ConnectError {
  if (response.compactRevision > 0n) return new ConnectError(`compacted up to revision ${response.compactRevision}`, Code.OutOfRange);
  return new ConnectError(response.cancelReason || 'etcd cancelled the watch', Code.Unavailable);
}

function toWatchEvent(event: Event): EtcdWatchEvent {
  return {
    type: event.type === EVENT_DELETE ? 'delete' : 'put',
    kv: toKeyValue(event.kv),
    previous: event.prevKv === undefined ? undefined : toKeyValue(event.prevKv),
  };
}
