import { fromBinary } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import type { EtcdSnapshotPart } from '../../ports/etcd-admin.ts';
import type { EtcdStopSignal } from '../../ports/etcd.ts';
import type { Endpoints } from './endpoints.ts';
import { toHaleError } from './failure.ts';
import { SnapshotResponseSchema } from './gen/rpc_pb.ts';
import { grpcStream } from './grpc-stream.ts';

const PATH = '/etcdserverpb.Maintenance/Snapshot';
/** etcd sends 32 KiB at a time, for each of which a reader would go to the disk. */
const PART_BYTES = 256 << 10;

/** See EtcdAdmin.snapshot. */
export async function* snapshot(endpoints: Endpoints, url: string, signal: EtcdStopSignal): AsyncGenerator<EtcdSnapshotPart> {
  const endpoint = endpoints.at(url);
  const controller = new AbortController();
  const stop = () => controller.abort(new ConnectError('it was stopped', Code.Canceled));
  if (signal.aborted) stop();
  signal.addEventListener('abort', stop);
  endpoints.closing.addEventListener('abort', stop);
  const fallSilent = () => controller.abort(new ConnectError('nothing more came', Code.DeadlineExceeded));
  let silence = setTimeout(fallSilent, endpoints.timeoutMs);
  try {
    const { secureContext } = endpoints;
    const parts = new Parts();
    for await (const messages of grpcStream({ url: endpoint.url, secureContext, path: PATH, signal: controller.signal })) {
      // A reader that is slow is no silence of etcd.
      clearTimeout(silence);
      for (const message of messages) yield* parts.after(message);
      silence = setTimeout(fallSilent, endpoints.timeoutMs);
    }
    yield* parts.rest();
  } catch (error) {
    throw toHaleError('snapshot', [endpoints.fail(endpoint, error)]);
  } finally {
    clearTimeout(silence);
    signal.removeEventListener('abort', stop);
    endpoints.closing.removeEventListener('abort', stop);
    controller.abort();
  }
}

/** Larger parts from etcd's messages. */
class Parts {
  #bytes = new Uint8Array(PART_BYTES);
  #filled = 0;
  #remainingBytes = 0;

  *after(message: Uint8Array): Generator<EtcdSnapshotPart> {
    const { blob, remainingBytes } = fromBinary(SnapshotResponseSchema, message);
    if (this.#filled + blob.length > this.#bytes.length) yield* this.rest();
    if (blob.length > this.#bytes.length) this.#bytes = new Uint8Array(blob.length);
    this.#bytes.set(blob, this.#filled);
    this.#filled += blob.length;
    this.#remainingBytes = Number(remainingBytes);
  }

  /** What is left at the end. */
  *rest(): Generator<EtcdSnapshotPart> {
    if (this.#filled === 0) return;
    const part = { blob: this.#bytes.subarray(0, this.#filled), remainingBytes: this.#remainingBytes };
    this.#bytes = new Uint8Array(PART_BYTES);
    this.#filled = 0;
    yield part;
  }
}
