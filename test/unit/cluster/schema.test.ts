import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import * as z from 'zod';
import { renderReference } from '../../../src/core/cluster/reference.ts';
import { clusterJsonSchema, clusterSchema, type JsonSchema } from '../../../src/core/cluster/schema.ts';
import { example } from './bad-files.ts';

interface Input {
  [key: string]: unknown;
}

/** Every mapping of the schema with its path. */
function mappings(node: JsonSchema, path: string[] = []): { path: string[]; node: JsonSchema }[] {
  const inner = Object.entries(node.properties ?? {}).flatMap(([key, child]) => mappings(child as JsonSchema, [...path, key]));
  const items = node.items === undefined ? [] : mappings(node.items as JsonSchema, [...path, '0']);
  return node.type === 'object' ? [{ path, node }, ...inner, ...items] : items;
}

test('`hale schema` prints the JSON Schema', () => {
  const command = new URL('../../../src/cli/schema.ts', import.meta.url);
  const script = `const { schemaCommand } = await import('${command}'); await schemaCommand().parseAsync([], { from: 'user' });`;
  const printed = execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
  expect(JSON.parse(printed)).toEqual(clusterJsonSchema());
});

test('the JSON Schema describes every key and closes every mapping', () => {
  const all = mappings(clusterJsonSchema());
  expect(all.map(({ path }) => path.join('.'))).toEqual([
    '',
    'endpoint',
    'controlPlane',
    'controlPlane.hosts.0',
    'workers',
    'workers.hosts.0',
    'kubernetes',
    'storageClasses.0',
    'storageClasses.0.parameters.0',
    'haproxyKeepalived',
    'haproxyKeepalived.balancers.0',
    'kubeVip',
    'kubeVip.bgp',
    'kubeVip.bgp.peers.0',
    'nodeLocal',
    'apiserver',
    'agent',
    'lease',
    'vrrp',
    'bgp',
    'bgp.peers.0',
    'bgp.bfd',
    'nat',
    'proxy',
    'etcd',
    'etcd.snapshots',
    'etcd.snapshots.s3',
    'etcd.snapshots.keep',
    'thresholds',
    'heal',
    'heal.rules.0',
    'heal.rules.0.when.0',
    'heal.rules.0.labels.0',
    'heal.rules.0.windows.0',
    'heal.limits',
    'heal.drain',
    'heal.power',
    'heal.ssh',
  ]);
  for (const { path, node } of all) {
    expect({ path, additional: node.additionalProperties }).toEqual({ path, additional: false });
    for (const [key, property] of Object.entries(node.properties ?? {})) {
      expect({ path, key, description: (property as JsonSchema).description }).toEqual({
        path,
        key,
        description: expect.stringMatching(/\.$/),
      });
    }
  }
});

test('the JSON Schema, read by itself, takes the example and refuses an unknown key in each mapping', () => {
  const standalone = z.fromJSONSchema(JSON.parse(JSON.stringify(clusterJsonSchema())));
  const accepts = (input: unknown) => standalone.safeParse(input).success;
  expect(clusterSchema.safeParse(parse(example)).success).toBe(true);
  expect(accepts(parse(example))).toBe(true);
  for (const { path } of mappings(clusterJsonSchema())) {
    const input = parse(example) as Input;
    // The example leaves out what only some need.
    const target = path.reduce<Input>((at, key) => (at[key] ??= {}) as Input, input);
    target['surprise'] = 1;
    expect({ path, accepted: accepts(input) }).toEqual({ path, accepted: false });
    expect({ path, accepted: clusterSchema.safeParse(input).success }).toEqual({ path, accepted: false });
  }
});

test('the defaults that the JSON Schema shows are those that a short file gets', () => {
  const short = { apiVersion: 'hale.dev/v1alpha1', kind: 'Cluster', name: 'a', endpoint: { address: '10.0.0.1' } };
  const parsed = clusterSchema.parse({ ...short, controlPlane: { hosts: [{ name: 'a', address: '10.0.0.2/24' }] } }) as Input;
  let shown = 0;
  for (const { path, node } of mappings(clusterJsonSchema())) {
    const got = path.reduce<Input | undefined>((at, key) => at?.[key] as Input | undefined, parsed);
    // Only there when it is written.
    if (got === undefined) continue;
    for (const [key, property] of Object.entries(node.properties ?? {})) {
      const { default: value, type } = property as JsonSchema;
      // What may be one or a list is a list under another name when it is read.
      if (value === undefined || type === 'object' || !(key in got)) continue;
      expect({ path, key, value: got[key] }).toEqual({ path, key, value });
      shown++;
    }
  }
  expect(shown).toBe(112);
  expect(parsed['kubernetes']).toMatchObject({
    serviceSubnets: [{ address: '10.96.0.0', length: 16 }],
    podSubnets: [{ address: '10.244.0.0', length: 16 }],
  });
});

test('docs/reference/cluster.md is what scripts/reference.ts writes', () => {
  const page = readFileSync(new URL('../../../docs/reference/cluster.md', import.meta.url), 'utf8');
  expect(page).toBe(renderReference());
});
