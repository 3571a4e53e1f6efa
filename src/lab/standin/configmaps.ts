import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Etcd, EtcdKeyValue, EtcdWatchEvent } from '../../ports/etcd.ts';
import { StatusError, toStatusError } from './status.ts';

/** Where an object lives; without a name, all of a namespace. */
export interface ConfigMapPath {
  namespace: string;
  name: string | undefined;
}

interface ConfigMap {
  metadata: { name: string; namespace: string; resourceVersion?: string };
}

const BODY_LIMIT_BYTES = 1024 * 1024;
const BOOKMARK_INTERVAL_MS = 3_000;

/** Not /registry/, where a real kube-apiserver would find objects it cannot read. */
function keyOf({ namespace, name }: ConfigMapPath): Buffer {
  return Buffer.from(`/stand-in/configmaps/${namespace}/${name ?? ''}`);
}

/** Everything that starts with `…/namespace/`: the byte after `/` is `0`. */
function namespaceEnd({ namespace }: ConfigMapPath): Buffer {
  return Buffer.from(`/stand-in/configmaps/${namespace}0`);
}

function notFound(path: ConfigMapPath): StatusError {
  return new StatusError(404, 'NotFound', `configmaps ${JSON.stringify(path.name)} not found`);
}

export async function getConfigMap(etcd: Etcd, path: ConfigMapPath): Promise<object> {
  const { kvs } = await etcd.range(keyOf(path));
  if (kvs[0] === undefined) throw notFound(path);
  return toObject(kvs[0].value, kvs[0].modRevision);
}

export async function listConfigMaps(etcd: Etcd, path: ConfigMapPath): Promise<object> {
  const { kvs, revision } = await etcd.range(keyOf(path), { rangeEnd: namespaceEnd(path) });
  const items = kvs.map((kv) => toObject(kv.value, kv.modRevision));
  return { kind: 'ConfigMapList', apiVersion: 'v1', metadata: { resourceVersion: String(revision) }, items };
}

/** Creates or replaces; with `metadata.resourceVersion`, replaces only that version. */
export async function putConfigMap(etcd: Etcd, path: ConfigMapPath, request: IncomingMessage): Promise<object> {
  const key = keyOf(path);
  const object = parseConfigMap(path, await readBody(request));
  const { resourceVersion, ...metadata } = object.metadata;
  const value = Buffer.from(JSON.stringify({ ...object, metadata }));
  if (resourceVersion === undefined) return toObject(value, (await etcd.put(key, value)).revision);
  const expected = { key, modRevision: parseResourceVersion(resourceVersion) };
  const { succeeded, revision } = await etcd.txn({ compare: [expected], success: [{ put: { key, value } }] });
  if (succeeded) return toObject(value, revision);
  if ((await etcd.range(key)).kvs.length === 0) throw notFound(path);
  throw new StatusError(409, 'Conflict', `configmaps ${JSON.stringify(path.name)}: the object has been modified since ${resourceVersion}`);
}

export async function deleteConfigMap(etcd: Etcd, path: ConfigMapPath): Promise<object> {
  const { deleted } = await etcd.deleteRange(keyOf(path));
  if (deleted === 0) throw notFound(path);
  return { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success' };
}

export interface WatchOptions {
  path: ConfigMapPath;
  /** Only what came after it; when undefined, first what exists now. */
  resourceVersion: string | undefined;
  response: ServerResponse;
  signal: AbortSignal;
}

/** Streams watch events, one JSON document a line, until the client leaves, `signal` aborts or etcd fails. */
export async function watchConfigMaps(etcd: Etcd, { path, resourceVersion, response, signal }: WatchOptions): Promise<void> {
  let revision: number;
  let existing: EtcdKeyValue[] = [];
  if (resourceVersion !== undefined) revision = parseResourceVersion(resourceVersion);
  else ({ revision, kvs: existing } = await etcd.range(keyOf(path), { rangeEnd: namespaceEnd(path) }));
  response.writeHead(200, { 'content-type': 'application/json' }).flushHeaders();
  const send = async (type: string, object: object): Promise<void> => {
    if (!response.write(`${JSON.stringify({ type, object })}\n`)) await once(response, 'drain', { signal });
  };
  const bookmark = setInterval(() => {
    const metadata = { resourceVersion: String(revision) };
    response.write(`${JSON.stringify({ type: 'BOOKMARK', object: { kind: 'ConfigMap', apiVersion: 'v1', metadata } })}\n`);
  }, BOOKMARK_INTERVAL_MS);
  try {
    for (const kv of existing) await send('ADDED', toObject(kv.value, kv.modRevision));
    for await (const batch of etcd.watch(keyOf(path), { rangeEnd: namespaceEnd(path), startRevision: revision + 1, signal })) {
      for (const event of batch.events) await send(...toWatchEvent(event));
      revision = batch.revision;
    }
  } catch (error) {
    const status = toStatusError(error);
    if (status === undefined && !signal.aborted) throw error;
    if (status !== undefined) response.write(`${JSON.stringify({ type: 'ERROR', object: status })}\n`);
  } finally {
    clearInterval(bookmark);
    response.end();
  }
}

function toWatchEvent({ type, kv, previous }: EtcdWatchEvent): [string, object] {
  // A deletion shows the last state, at the revision of the deletion.
  if (type === 'delete') return ['DELETED', toObject(previous?.value ?? nameOnly(kv.key), kv.modRevision)];
  return [kv.createRevision === kv.modRevision ? 'ADDED' : 'MODIFIED', toObject(kv.value, kv.modRevision)];
}

/** All that is known of a deleted object whose last state is compacted. */
function nameOnly(key: Uint8Array): Uint8Array {
  return Buffer.from(JSON.stringify({ metadata: { name: Buffer.from(key).toString().split('/').at(-1) } }));
}

function toObject(value: Uint8Array, revision: number): object {
  const object = JSON.parse(Buffer.from(value).toString()) as Partial<ConfigMap>;
  return { ...object, metadata: { ...object.metadata, resourceVersion: String(revision) } };
}

function parseResourceVersion(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new StatusError(400, 'BadRequest', `resourceVersion ${JSON.stringify(text)} is not a number`);
  return Number(text);
}

/** What a client sent, with the name and namespace of the URL. Throws StatusError 400. */
export function parseConfigMap({ namespace, name }: ConfigMapPath, body: string): ConfigMap {
  const object = parseObject(body);
  const metadata = isObject(object['metadata']) ? object['metadata'] : {};
  if (metadata['name'] !== undefined && metadata['name'] !== name) {
    throw new StatusError(
      400,
      'BadRequest',
      `metadata.name ${JSON.stringify(metadata['name'])} is not ${JSON.stringify(name)}, the name in the URL`,
    );
  }
  const { resourceVersion, ...rest } = metadata;
  // Kubernetes takes "" and "0" as "whatever is there".
  const wanted =
    resourceVersion === undefined || resourceVersion === '' || resourceVersion === '0' ? {} : { resourceVersion: String(resourceVersion) };
  return { ...object, kind: 'ConfigMap', apiVersion: 'v1', metadata: { ...rest, name: name as string, namespace, ...wanted } } as ConfigMap;
}

function parseObject(body: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(body);
    if (isObject(value)) return value;
  } catch {
    // Told below, like JSON that is no object.
  }
  throw new StatusError(400, 'BadRequest', 'the body is not a JSON object');
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > BODY_LIMIT_BYTES) throw new StatusError(413, 'RequestEntityTooLarge', `the body exceeds ${BODY_LIMIT_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}
