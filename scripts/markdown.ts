/** Text as it must stand in a cell of a Markdown table. */
export function cell(text: string): string {
  return text.replaceAll('\n', ' ').replaceAll('|', '\\|').replaceAll('<', '&lt;').replaceAll('*', '\\*');
}

/** A value as code in a cell of a Markdown table, where only `|` needs care. */
export function codeCell(text: string): string {
  return `\`${text.replaceAll('|', '\\|')}\``;
}
