/** What stands for one key of cluster.yaml. */
export interface Line {
  /** `kubernetes.podSubnet`. */
  key: string;
  /** Behind the key's colon. */
  text: string;
  /** Lines below it, indented once more: a list. */
  below: readonly string[];
  isComment: boolean;
}

/** Lines under their sections, in their order. A section of comments alone is one itself, or YAML would read it as a key without value. */
export function renderLines(lines: readonly Line[]): string {
  let text = '';
  let open: readonly string[] = [];
  for (const { key, text: value, below, isComment } of lines) {
    const path = key.split('.');
    text += heads(path, { open, lines });
    open = path.slice(0, -1);
    const indent = '  '.repeat(path.length - 1);
    text += `${indent}${isComment ? '# ' : ''}${path.at(-1)}:${value}\n`;
    for (const line of below) text += `${indent}  ${line}\n`;
  }
  return text;
}

/** The keys around `path` that do not stand there yet. */
function heads(path: readonly string[], { open, lines }: { open: readonly string[]; lines: readonly Line[] }): string {
  const shared = path.findIndex((step, i) => open[i] !== step);
  return path
    .slice(shared, -1)
    .map((step, i) => {
      const depth = shared + i;
      const section = path.slice(0, depth + 1).join('.');
      const isEmpty = lines.every(({ key, isComment }) => isComment || !key.startsWith(`${section}.`));
      return `${depth === 0 ? '\n' : ''}${'  '.repeat(depth)}${isEmpty ? '# ' : ''}${step}:\n`;
    })
    .join('');
}
