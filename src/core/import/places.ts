import { printable } from '../../base/printable.ts';
import { placeOf, type Span } from '../doctor/text-file.ts';

/** `keepalived.conf:12`, and how many more places say so. */
export function placesText(places: readonly Span[]): string {
  const all = [...new Set(places.map(placeText))];
  return all.length > 1 ? `${all[0]} and ${all.length - 1} more` : (all[0] ?? '');
}

function placeText(span: Span): string {
  return `${printable(span.file.path)}:${placeOf(span).line}`;
}
