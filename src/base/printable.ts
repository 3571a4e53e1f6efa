/** Text from outside on one line, with a space for whatever a terminal would obey or not show (Unicode category C). */
export function printable(text: string): string {
  return text.replaceAll(/\p{C}/gu, ' ');
}
