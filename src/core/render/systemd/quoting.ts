/** How systemd wants words written. */

/** A word of a command: `%` and `$` stand for themselves (systemd.service(5), "Command lines"). */
export function commandWord(word: string): string {
  return configurationWord(word.replaceAll('$', '$$$$'));
}

/** A word of a list in a unit file or a line of tmpfiles.d and sysusers.d: `%` begins a specifier there, and blanks separate. */
export function configurationWord(word: string): string {
  const escaped = word.replaceAll('%', '%%');
  if (/^[\w@%+=:,./$*[\]-]+$/.test(escaped)) return escaped;
  return `"${escaped.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`;
}

/** The whole rest of a line: only `%` means something. */
export function restOfLine(text: string): string {
  return text.replaceAll('%', '%%');
}
