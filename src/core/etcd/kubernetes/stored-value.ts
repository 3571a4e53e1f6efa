import { utf8, utf8OrNone } from '../../../base/utf8.ts';
import { BYTES, WireReader } from '../data-folder/wire.ts';
import { type ObjectMeta, readObjectMeta, readTexts } from './object-meta.ts';

/** What the value of a key is. */
export type StoredValue =
  /** An object in protobuf (k8s.io/apimachinery, runtime.Unknown); `metadata` is undefined for the few kinds that begin otherwise. */
  | { form: 'protobuf'; apiVersion: string; kind: string; metadata: ObjectMeta | undefined }
  /** As custom resources are stored. */
  | { form: 'json'; json: unknown }
  /** Encrypted by the API server (`--encryption-provider-config`). */
  | { form: 'encrypted'; provider: string; keyName: string }
  | { form: 'text'; text: string }
  | { form: 'binary'; hex: string }
  /** What it is cannot be told, and its key says that it is a secret. */
  | { form: 'hidden' };

export interface DescribedValue {
  value: StoredValue;
  /** Nothing of what a Secret holds is in `value`. */
  isSecret: boolean;
}

/** `k8s` and a zero byte. */
const MAGIC = [0x6b, 0x38, 0x73, 0x00];
/** k8s.io/apiserver, encryptionconfig: `k8s:enc:aescbc:v1:key1:`; with kms v2 no name of a key follows. */
const ENCRYPTED = /^k8s:enc:([a-z]{1,20}):(v\d{1,3}):(?:([\w.-]{0,253}):)?/;
const UNKNOWN = { typeMeta: 1, raw: 2 };
const TYPE_META = { apiVersion: 1, kind: 2 };
const METADATA = 1;
/** Binary values are shown up to here. */
const HEX_BYTES = 4096;
const SECRET = 'Secret';
const HIDDEN = '(hidden)';

/** Says what a value is, without anything that a Secret holds: not its data, and no annotations, of which kubectl's holds the data once more. */
export function describeValue(key: string, bytes: Uint8Array): DescribedValue {
  const value = readValue(bytes);
  const isSecret = key.split('/').includes('secrets') || kindOf(value) === SECRET;
  return { value: isSecret ? withoutSecret(value) : value, isSecret };
}

function readValue(bytes: Uint8Array): StoredValue {
  if (MAGIC.every((byte, i) => bytes[i] === byte)) return readEnvelope(bytes.subarray(MAGIC.length)) ?? readOther(bytes);
  const encrypted = ENCRYPTED.exec(utf8(bytes.subarray(0, 300)));
  if (encrypted !== null) {
    const [, provider, version, keyName = ''] = encrypted;
    return { form: 'encrypted', provider: `${provider} ${version}`, keyName };
  }
  return readOther(bytes);
}

function readOther(bytes: Uint8Array): StoredValue {
  const text = utf8OrNone(bytes);
  if (text === undefined || text.includes('\0')) return { form: 'binary', hex: hexOf(bytes.subarray(0, HEX_BYTES)) };
  const json = parseJson(text);
  return typeof json === 'object' && json !== null ? { form: 'json', json } : { form: 'text', text };
}

function readEnvelope(bytes: Uint8Array): StoredValue | undefined {
  const fields = new WireReader(bytes);
  let type: Map<number, string> | undefined;
  let raw: Uint8Array | undefined;
  while (fields.next()) {
    if (fields.wireType !== BYTES) continue;
    if (fields.field === UNKNOWN.typeMeta) type = readTexts(fields.view());
    else if (fields.field === UNKNOWN.raw) raw = fields.view();
  }
  if (!fields.ok || type === undefined) return undefined;
  const [apiVersion = '', kind = ''] = [TYPE_META.apiVersion, TYPE_META.kind].map((number) => type.get(number));
  return { form: 'protobuf', apiVersion, kind, metadata: raw === undefined ? undefined : readMetadata(raw) };
}

function readMetadata(raw: Uint8Array): ObjectMeta | undefined {
  const fields = new WireReader(raw);
  while (fields.next()) if (fields.field === METADATA && fields.wireType === BYTES) return readObjectMeta(fields.view());
  return undefined;
}

function parseJson(text: string): unknown {
  if (!/^\s*[{[]/.test(text)) return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function kindOf(value: StoredValue): string | undefined {
  if (value.form === 'protobuf') return value.kind;
  return value.form === 'json' ? fieldsOf(value.json)['kind']?.toString() : undefined;
}

function fieldsOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function withoutSecret(value: StoredValue): StoredValue {
  if (value.form === 'encrypted') return value;
  if (value.form === 'protobuf') {
    const { metadata } = value;
    return metadata === undefined ? value : { ...value, metadata: { ...metadata, annotations: hidden(metadata.annotations) } };
  }
  const { apiVersion, kind, metadata } = value.form === 'json' ? fieldsOf(value.json) : {};
  if (kind !== SECRET) return { form: 'hidden' };
  const { name, namespace, uid, labels, creationTimestamp, annotations } = fieldsOf(metadata);
  const shown = { name, namespace, uid, creationTimestamp, labels, annotations: hidden(fieldsOf(annotations)) };
  return { form: 'json', json: { apiVersion, kind, metadata: shown } };
}

function hidden(annotations: Record<string, unknown>): Record<string, string> {
  return Object.fromEntries(Object.keys(annotations).map((name) => [name, HIDDEN]));
}

function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
