import { isMapping, mappingAt, textAt } from '../../core/apiserver/json.ts';
import type { EtcdStopSignal } from '../../ports/etcd.ts';
import type { Kubernetes, KubernetesAnswer } from '../../ports/kubernetes.ts';

/** Of one answer; a cluster of thousands of nodes comes in several. */
const PAGE = 500;
/** kubernetes.io, "410 Gone responses": what the continue token speaks of is no longer there. */
const GONE = 410;

/** Objects of one kind. */
export interface Collection<T> {
  /** Without a query. */
  path: string;
  /** kubernetes.io, "Field Selectors". */
  fieldSelector?: string;
  /** Objects of one answer, default 500: all of an answer is in memory at once. */
  page?: number;
  /** Undefined for an object that is not wanted. */
  read(object: unknown): T | undefined;
}

export type Listed<T> =
  /** `version`: a watch from there on misses nothing. */
  { kind: 'listed'; items: T[]; version: string } | { kind: 'refused'; answer: KubernetesAnswer };

/** All of them at one moment, in pages; each page within `timeoutMs`. Once more from the start when the pages expire meanwhile. A HaleError `kubernetes_unreachable`. */
export async function listAll<T>(
  kubernetes: Kubernetes,
  { collection, ...options }: { collection: Collection<T>; timeoutMs?: number; signal?: EtcdStopSignal },
): Promise<Listed<T>> {
  for (let again = true; ; again = false) {
    const listed = await listOnce(kubernetes, { collection, options });
    if (listed.kind === 'listed' || listed.answer.status !== GONE || !again) return listed;
  }
}

async function listOnce<T>(
  kubernetes: Kubernetes,
  { collection, options }: { collection: Collection<T>; options: Parameters<Kubernetes['request']>[2] & {} },
): Promise<Listed<T>> {
  const { path, page = PAGE, read } = collection;
  const items: T[] = [];
  let version = '';
  let next = '';
  do {
    const token = next === '' ? '' : `&continue=${encodeURIComponent(next)}`;
    const answer = await kubernetes.request('GET', `${path}?limit=${page}${fieldQuery(collection)}${token}`, options);
    const { status, body } = answer;
    // 200 from something else than an API server is a refusal as well.
    if (status !== 200 || !isMapping(body) || !Array.isArray(body['items'])) return { kind: 'refused', answer };
    for (const object of body['items'] as unknown[]) {
      const item = read(object);
      if (item !== undefined) items.push(item);
    }
    const metadata = mappingAt(body, 'metadata');
    // That of the first page: should another tell of later, what changed in between is told again.
    version ||= textAt(metadata, 'resourceVersion');
    next = textAt(metadata, 'continue');
  } while (next !== '');
  return { kind: 'listed', items, version };
}

/** Goes on after another parameter; empty where all are wanted. */
export function fieldQuery({ fieldSelector }: Pick<Collection<unknown>, 'fieldSelector'>): string {
  return fieldSelector === undefined ? '' : `&fieldSelector=${encodeURIComponent(fieldSelector)}`;
}
