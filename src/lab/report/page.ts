import type { Verdict } from '../../core/drill/verdict.ts';
import { escapeHtml } from './html.ts';
import { STYLE } from './style.ts';

export interface Page {
  title: string;
  /** What the drills ran on, as name and value: hosts, versions, timing profile, date. */
  facts: readonly (readonly [string, string])[];
  /** HTML: a sentence, and all below the facts. */
  summary: string;
  body: string;
  /** What each number means, as term and text. */
  method: readonly (readonly [string, string])[];
}

/** One HTML file that needs nothing else. */
export function renderPage({ title, facts, summary, body, method }: Page): string {
  const list = facts.map(([name, value]) => `<div><dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd></div>`).join('');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>${escapeHtml(title)}</h1>
<p class="soft">${summary}</p>
<dl class="facts">${list}</dl>
${body}
<section class="method"><h2>How this was measured</h2><dl>${method.map(([term, text]) => `<dt>${term}</dt><dd>${text}</dd>`).join('')}</dl></section>
</main>
</body>
</html>
`;
}

export function badge({ verdict }: Pick<Verdict, 'verdict'>): string {
  return `<span class="verdict ${verdict}">${verdict.toUpperCase()}</span>`;
}
