import { Command } from 'commander';
import { EXIT_FINDING, HaleError } from '../../base/error.ts';
import { printable } from '../../base/printable.ts';
import type { ObjectMeta } from '../../core/etcd/kubernetes/object-meta.ts';
import { describeValue, type DescribedValue } from '../../core/etcd/kubernetes/stored-value.ts';
import { sizeText } from '../../core/etcd/size-text.ts';
import type { EtcdKeyValue } from '../../ports/etcd.ts';
import { type EtcdOptions, etcdAccess, withEtcd, withEtcdOptions } from './options.ts';

interface GetOptions extends EtcdOptions {
  raw?: true;
  serializable?: true;
  json?: true;
}

/** `hale etcd get`: one key, and what stands in it. */
export function etcdGetCommand(): Command {
  return withEtcdOptions(new Command('get'))
    .description('show one key: the metadata of an object of Kubernetes, JSON or text; never what a Secret holds; reads only')
    .argument('<key>', 'as /registry/configmaps/kube-system/kubeadm-config')
    .option('--raw', 'write the bytes of the value into a file or a pipe, also those of a Secret')
    .option('--serializable', 'ask for what one member has, which may be old: works without a quorum')
    .option('--json', 'print one JSON document')
    .action(async (key: string, options: GetOptions, command: Command) => {
      if (options.raw && process.stdout.isTTY) throw rawOnTerminal();
      const access = etcdAccess(options, command);
      const read = { serializable: options.serializable ?? false };
      const { kvs } = await withEtcd({ access, timeoutMs: options.timeout }, (etcd) => etcd.range(Buffer.from(key), read));
      const [found] = kvs;
      if (found === undefined) {
        process.exitCode = EXIT_FINDING;
        process.stderr.write(`${printable(key)}: there is no such key\n`);
        if (options.json) process.stdout.write('null\n');
      } else if (options.raw) process.stdout.write(found.value);
      else process.stdout.write(options.json ? `${JSON.stringify(document(key, found), null, 2)}\n` : render(key, found));
    });
}

function rawOnTerminal(): HaleError {
  return new HaleError({
    code: 'etcd_raw_on_terminal',
    kind: 'usage',
    message: 'a value may hold secrets, and bytes that a terminal obeys',
    remedy: 'write it into a file or a pipe: --raw > FILE',
  });
}

function document(key: string, { value, createRevision, modRevision }: EtcdKeyValue): unknown {
  const described = describeValue(key, value);
  return { key, createRevision, modRevision, valueBytes: value.length, isSecret: described.isSecret, value: described.value };
}

function render(key: string, { value, createRevision, modRevision }: EtcdKeyValue): string {
  const described = describeValue(key, value);
  const facts: [string, string][] = [
    ['changed', `at revision ${modRevision}, made at ${createRevision}`],
    ['value', `${sizeText(value.length)}, ${formText(described)}`],
  ];
  const shown = described.value;
  if (shown.form === 'protobuf' && shown.metadata !== undefined) facts.push(...metaFacts(shown.metadata));
  if (described.isSecret) facts.push(['secret', 'what it holds is not shown, nor its annotations']);
  const lines = facts.map(([name, text]) => `  ${name.padEnd(12)} ${printable(text)}`);
  return `${[printable(key), ...lines, ...bodyLines(described)].join('\n')}\n`;
}

function formText({ value }: DescribedValue): string {
  switch (value.form) {
    case 'protobuf':
      return `protobuf of Kubernetes: ${value.apiVersion} ${value.kind}; its metadata is shown`;
    case 'json':
      return 'JSON';
    case 'encrypted':
      return `encrypted by the API server with ${value.provider}${value.keyName === '' ? '' : `, key ${value.keyName}`}: only it can read it`;
    case 'text':
      return 'text';
    case 'binary':
      return 'neither protobuf of Kubernetes nor text; the beginning in hexadecimal';
    case 'hidden':
      return 'not shown';
  }
}

function bodyLines({ value }: DescribedValue): string[] {
  if (value.form === 'json')
    return [
      '',
      ...JSON.stringify(value.json, null, 2)
        .split('\n')
        .map((line) => printable(line)),
    ];
  if (value.form === 'text') return ['', ...value.text.split('\n').map((line) => printable(line))];
  return value.form === 'binary' ? ['', ...(value.hex.match(/.{1,64}/g) ?? [])] : [];
}

function metaFacts(meta: ObjectMeta): [string, string][] {
  const pairs = (map: Record<string, string>) => Object.entries(map).map(([name, text]) => `${name}=${shortened(text)}`);
  const lists: [string, string[]][] = [
    ['name', [meta.namespace === '' ? meta.name : `${meta.namespace}/${meta.name}`]],
    ['uid', [meta.uid]],
    ['created', [meta.creationTimestamp ?? '']],
    ['deleted', [meta.deletionTimestamp ?? '']],
    ['labels', pairs(meta.labels)],
    ['annotations', pairs(meta.annotations)],
    ['owners', meta.ownerReferences.map(({ kind, name, apiVersion }) => `${kind} ${name} (${apiVersion})`)],
    ['finalizers', meta.finalizers],
    ['written by', meta.managers],
  ];
  return lists.flatMap(([name, texts]) =>
    texts.filter((text) => text !== '').map((text, i): [string, string] => [i === 0 ? name : '', text]),
  );
}

function shortened(text: string): string {
  return text.length <= 120 ? text : `${text.slice(0, 117)}…`;
}
