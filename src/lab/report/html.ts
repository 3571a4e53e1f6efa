/** Text made safe between tags and inside quoted attributes. */
export function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;').replaceAll("'", '&#39;');
}

/** Milliseconds for people: `310 ms`, `1 234 ms` with a narrow no-break space. */
export function formatMs(valueMs: number): string {
  return `${formatCount(Math.round(valueMs * 10) / 10)} ms`;
}

export function formatCount(value: number): string {
  const [whole = '', fraction] = String(value).replace('-', '\u2212').split('.');
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, '\u202f');
  return fraction === undefined ? grouped : `${grouped}.${fraction}`;
}
