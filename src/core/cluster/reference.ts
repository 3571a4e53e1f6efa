import { clusterJsonSchema, type JsonSchema } from './schema.ts';

/** The page docs/reference/cluster.md, made from the schema. */
export function renderReference(): string {
  const schema = clusterJsonSchema();
  return `<!-- Made by scripts/reference.ts from src/core/cluster/schema.ts. Change the schema and run the script. -->

# cluster.yaml

${schema.description} [docs/examples/cluster.yaml](../examples/cluster.yaml) is a complete example.

\`hale schema\` prints this page as JSON Schema. For completion and checks in an editor with the YAML language server, run
\`hale schema > cluster.schema.json\` and put this line at the top of the file:

\`\`\`yaml
# yaml-language-server: $schema=cluster.schema.json
\`\`\`

A key that is not listed here is an error. The file is YAML 1.2, one document, without aliases.

| Key | Type | Default | Description |
| --- | --- | --- | --- |
${rows(schema, '').join('\n')}
`;
}

function rows(mapping: JsonSchema, prefix: string): string[] {
  return Object.entries(mapping.properties ?? {}).flatMap(([name, property]) => {
    const node = property as JsonSchema;
    const items = node.items as JsonSchema | undefined;
    const required = mapping.required?.includes(name) === true;
    const row = `| \`${prefix}${name}\` | ${typeText(node)} | ${defaultText(node, required)} | ${node.description} |`;
    return [row, ...rows(node, `${prefix}${name}.`), ...(items === undefined ? [] : rows(items, `${prefix}${name}[].`))];
  });
}

function typeText(node: JsonSchema): string {
  if (node.const !== undefined) return `\`${String(node.const)}\``;
  if (node.enum !== undefined) return node.enum.map((value) => `\`${String(value)}\``).join(', ');
  if (node.type === 'integer') return `integer ${node.minimum}–${node.maximum}`;
  if (node.type === 'array') return `list of ${(node.items as JsonSchema).type === 'object' ? 'mappings' : 'strings'}`;
  if (node.type === 'object') return 'mapping';
  if (node.type === 'boolean') return '`true`, `false`';
  if (node.anyOf?.some((one) => (one as JsonSchema).type === 'integer')) return 'integer or percentage';
  // Besides, only `oneOrTwo` (values.ts) makes a choice of types.
  return node.type === undefined ? 'string, or list of one or two' : 'string';
}

function defaultText(node: JsonSchema, required: boolean): string {
  if (required) return 'required';
  if (node.default === undefined || node.type === 'object') return '';
  return `\`${typeof node.default === 'string' ? node.default : JSON.stringify(node.default)}\``;
}
