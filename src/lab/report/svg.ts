import { escapeHtml } from './html.ts';

/** What the renderer of a custom series is given by ECharts. */
export interface CustomApi {
  value(dimension: number): number;
  coord(point: [number, number]): [number, number];
}

/** Scales with the page, has a name for screen readers, and carries nothing that only a live chart needs. */
export function embedSvg(svg: string, { label, width }: { label: string; width: number }): string {
  const body = svg
    .replace(/^<svg[^>]*>/, '')
    .replaceAll(/<style[^]*?<\/style>/g, '')
    .replaceAll(/ (?:ecmeta_[a-z_]+|class|pointer-events|xml:space)="[^"]*"/g, '');
  const height = /viewBox="0 0 [\d.]+ ([\d.]+)"/.exec(svg)?.[1] ?? '0';
  const text = escapeHtml(label);
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${text}"><title>${text}</title>${body}`;
}
