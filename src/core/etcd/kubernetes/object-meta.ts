import { utf8 } from '../../../base/utf8.ts';
import { BYTES, VARINT, WireReader } from '../data-folder/wire.ts';

/** What Kubernetes notes of each object (k8s.io/apimachinery, pkg/apis/meta/v1, ObjectMeta), without what only the API server computes. */
export interface ObjectMeta {
  name: string;
  namespace: string;
  uid: string;
  /** ISO 8601; undefined when it is not set. */
  creationTimestamp: string | undefined;
  deletionTimestamp: string | undefined;
  labels: Record<string, string>;
  annotations: Record<string, string>;
  ownerReferences: { apiVersion: string; kind: string; name: string }[];
  finalizers: string[];
  /** Who wrote which parts of it: the writers alone. */
  managers: string[];
}

/** Numbers of the fields in generated.proto. */
const META = {
  name: 1,
  namespace: 3,
  uid: 5,
  created: 8,
  deleted: 9,
  labels: 11,
  annotations: 12,
  owners: 13,
  finalizers: 14,
  managed: 17,
};
const OWNER = { kind: 1, name: 3, apiVersion: 5 };
const MAP = { key: 1, value: 2 };
const MANAGER = 1;
const SECONDS = 1;

/** Undefined where the bytes are no message. Fields that are not known are passed over. */
export function readObjectMeta(bytes: Uint8Array): ObjectMeta | undefined {
  const meta: ObjectMeta = {
    name: '',
    namespace: '',
    uid: '',
    creationTimestamp: undefined,
    deletionTimestamp: undefined,
    labels: {},
    annotations: {},
    ownerReferences: [],
    finalizers: [],
    managers: [],
  };
  const fields = new WireReader(bytes);
  while (fields.next()) if (fields.wireType === BYTES && !takeField(meta, fields.field, fields.view())) return undefined;
  if (!fields.ok) return undefined;
  meta.managers = [...new Set(meta.managers)];
  return meta;
}

/** False where a field that is known cannot be read. */
function takeField(meta: ObjectMeta, field: number, bytes: Uint8Array): boolean {
  if (field === META.name) meta.name = utf8(bytes);
  else if (field === META.namespace) meta.namespace = utf8(bytes);
  else if (field === META.uid) meta.uid = utf8(bytes);
  else if (field === META.created) meta.creationTimestamp = readTime(bytes);
  else if (field === META.deleted) meta.deletionTimestamp = readTime(bytes);
  else if (field === META.finalizers) meta.finalizers.push(utf8(bytes));
  else if (field === META.labels || field === META.annotations) {
    const entry = readTexts(bytes);
    if (entry === undefined) return false;
    (field === META.labels ? meta.labels : meta.annotations)[entry.get(MAP.key) ?? ''] = entry.get(MAP.value) ?? '';
  } else if (field === META.owners) {
    const owner = readTexts(bytes);
    if (owner === undefined) return false;
    const [apiVersion = '', kind = '', name = ''] = [OWNER.apiVersion, OWNER.kind, OWNER.name].map((number) => owner.get(number));
    meta.ownerReferences.push({ apiVersion, kind, name });
  } else if (field === META.managed) {
    const manager = readTexts(bytes);
    if (manager === undefined) return false;
    meta.managers.push(manager.get(MANAGER) ?? '');
  }
  return true;
}

/** Those fields of a message that hold bytes, as text; undefined where it is no message. */
export function readTexts(bytes: Uint8Array): Map<number, string> | undefined {
  const texts = new Map<number, string>();
  const fields = new WireReader(bytes);
  while (fields.next()) if (fields.wireType === BYTES) texts.set(fields.field, utf8(fields.view()));
  return fields.ok ? texts : undefined;
}

/** The latest that a Date can be. */
const LAST_SECONDS = 8.64e12;

function readTime(bytes: Uint8Array): string | undefined {
  const fields = new WireReader(bytes);
  let seconds = 0;
  while (fields.next()) if (fields.field === SECONDS && fields.wireType === VARINT) seconds = fields.value;
  return fields.ok && seconds > 0 && seconds <= LAST_SECONDS ? new Date(seconds * 1000).toISOString() : undefined;
}
