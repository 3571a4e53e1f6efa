import { stringify } from 'yaml';

/** YAML that older readers understand too: `yes` and `on` in quotes, long lines whole. */
export function yamlText(value: unknown): string {
  return stringify(value, { lineWidth: 0, indentSeq: false, compat: 'yaml-1.1', aliasDuplicateObjects: false });
}

/** Several documents of one file. */
export function yamlDocuments(values: readonly unknown[]): string {
  return values.map(yamlText).join('---\n');
}

/** `# ` before every line; lines are broken by whoever writes them. */
export function comment(text: string): string {
  return text
    .split('\n')
    .map((line) => (line === '' ? '#\n' : `# ${line}\n`))
    .join('');
}
