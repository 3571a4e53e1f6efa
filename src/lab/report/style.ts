/**
 * The look of a report. Colours of data are the Okabe-Ito set, which stays distinguishable with every common form of colour blindness;
 * the plots refer to the same custom properties, so that they follow light, dark and print.
 */
export const HOST_COLORS = ['--host-1', '--host-2', '--host-3', '--host-4', '--host-5', '--host-6', '--host-7'];

const LIGHT = `--paper: #ffffff; --panel: #f6f7f8; --ink: #16191d; --soft: #565e68; --rule: #d9dde2; --grid: #e6e9ec;
  --pass: #006b4f; --pass-tint: #e3f4ee; --fail: #a53a00; --fail-tint: #fdece2;
  --ok: #56b4e9; --failed: #d55e00; --outage: #d55e00;
  --host-1: #009e73; --host-2: #cc79a7; --host-3: #e69f00; --host-4: #0072b2; --host-5: #b3a600; --host-6: #7a5195; --host-7: #7f8790;`;

const DARK = `--paper: #14171a; --panel: #1c2024; --ink: #e9ecef; --soft: #a4adb7; --rule: #343a41; --grid: #2a2f35;
  --pass: #4fd1a5; --pass-tint: #12332a; --fail: #ff9a5c; --fail-tint: #3a2114;
  --ok: #3f9bd1; --failed: #ff7a29; --outage: #ff7a29;
  --host-1: #22b98c; --host-2: #d98fb8; --host-3: #e6a726; --host-4: #3f8fd0; --host-5: #cfc23a; --host-6: #a283bd; --host-7: #9aa2ab;`;

export const STYLE = `
:root { color-scheme: light dark; ${LIGHT} }
@media screen and (prefers-color-scheme: dark) { :root { ${DARK} } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif; }
main { max-width: 1080px; margin: 0 auto; padding: 40px 32px 64px; }
h1 { font-size: 28px; line-height: 1.2; margin: 0 0 4px; letter-spacing: -0.01em; }
h2 { font-size: 20px; margin: 0; letter-spacing: -0.005em; }
h3 { font-size: 13px; margin: 24px 0 4px; color: var(--soft); font-weight: 600; }
p { margin: 4px 0 0; max-width: 88ch; }
figure + p { margin-top: 14px; }
.soft { color: var(--soft); }
.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(220px, 1fr)); gap: 12px 24px; margin: 24px 0 0; padding: 16px 0; border-block: 1px solid var(--rule); }
.facts dt, .numbers dt { font-size: 12px; color: var(--soft); }
.facts dd { margin: 0; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--soft); font-size: 13px; padding-bottom: 6px; }
th, td { text-align: left; padding: 7px 0 7px 16px; border-bottom: 1px solid var(--rule); vertical-align: baseline; }
th:first-child, td:first-child { padding-left: 0; }
thead th { font-size: 12px; font-weight: 600; color: var(--soft); }
tbody th { font-weight: 600; }
.number { text-align: right; }
.name { white-space: nowrap; }
.scroll { overflow-x: auto; margin-top: 28px; }
section { margin-top: 44px; padding-top: 28px; border-top: 2px solid var(--ink); }
section header { display: flex; align-items: baseline; justify-content: space-between; gap: 16px; flex-wrap: wrap; }
.verdict { display: inline-block; padding: 1px 10px; border-radius: 3px; font-size: 13px; font-weight: 700; letter-spacing: 0.04em; border: 1px solid currentColor; }
.pass { color: var(--pass); background: var(--pass-tint); }
.fail { color: var(--fail); background: var(--fail-tint); }
.void { color: var(--soft); background: var(--panel); }
.numbers { display: grid; grid-template-columns: repeat(4, 1fr); gap: 1px; margin: 18px 0 0; background: var(--rule); border: 1px solid var(--rule); }
.numbers div { background: var(--panel); padding: 10px 14px 12px; }
.numbers div:last-child { grid-column: span 2; }
.numbers dd { margin: 0; font-size: 21px; line-height: 1.3; font-weight: 600; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
.numbers small { display: block; font-size: 12px; font-weight: 400; color: var(--soft); }
.reasons { margin: 16px 0 0; padding: 10px 14px 10px 32px; border-left: 4px solid; }
figure { margin: 0; }
figure svg { display: block; width: 100%; height: auto; min-width: 680px; }
figcaption { display: flex; flex-wrap: wrap; gap: 4px 18px; font-size: 13px; color: var(--soft); }
.key { display: inline-block; width: 11px; height: 11px; margin-right: 6px; border-radius: 2px; vertical-align: -1px; }
.method dt { font-weight: 600; margin-top: 10px; }
.method dd { margin: 0; color: var(--soft); max-width: 86ch; }
figure .scroll { margin-top: 6px; }
a { color: inherit; text-underline-offset: 3px; }
@media (max-width: 640px) { main { padding: 24px 16px 48px; } .numbers { grid-template-columns: repeat(2, 1fr); } }
@media print {
  body { font-size: 11px; }
  main { max-width: none; padding: 0; }
  section { break-before: page; border-top: 0; margin-top: 0; padding-top: 0; }
  section.method { break-before: auto; margin-top: 24px; }
  figure, .numbers, tr { break-inside: avoid; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  .scroll { overflow: visible; }
}
`;
