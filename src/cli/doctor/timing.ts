import { readFileSync, writeFileSync } from 'node:fs';
import { Command } from 'commander';
import { EXIT_FINDING, HaleError } from '../../base/error.ts';
import { gather, type NamedFile } from '../../core/doctor/gather.ts';
import { placeOf } from '../../core/doctor/text-file.ts';
import { timingChain } from '../../core/doctor/timing/chain.ts';
import { durationText, type Link, STAGES } from '../../core/doctor/timing/link.ts';
import { type Disorder, disorders } from '../../core/doctor/timing/order.ts';
import { plot } from '../../core/doctor/timing/plot.ts';
import { readFiles } from '../../drivers/doctor/files.ts';
import { readClusterFile } from '../read-cluster.ts';
import { table } from '../table.ts';
import { renderedFiles } from './described.ts';
import { timingSvg } from './timing-svg.ts';

interface TimingOptions {
  cluster?: string;
  svg?: string;
  json?: true;
}

/** `hale doctor timing`: who notices a failure when, and which of them come in the wrong order. */
export function timingCommand(): Command {
  return new Command('timing')
    .description('compute the chain of detections and time-outs from configuration, and name the links that are out of order')
    .argument('[files...]', 'files and folders; - is standard input')
    .option('--cluster <file>', 'a cluster.yaml, with all that hale would render for it')
    .option('--svg <file>', 'also write the chain as a picture')
    .option('--json', 'print one JSON document')
    .action((names: string[], options: TimingOptions) => {
      const links = timingChain(gather([...readFiles(names).files, ...described(options.cluster)]));
      const wrong = disorders(links);
      if (options.svg !== undefined) writePicture(options.svg, timingSvg(links, wrong));
      process.stdout.write(options.json ? jsonText(links, wrong) : text(links, wrong));
      if (wrong.length > 0) process.exitCode = EXIT_FINDING;
    });
}

/** The description itself and the files of one host of each role: those of the others say the same. */
function described(path: string | undefined): NamedFile[] {
  if (path === undefined) return [];
  const cluster = readClusterFile(path);
  const description = readFileSync(path, 'utf8');
  const files = renderedFiles({ cluster, description }, ({ index }) => index === 0);
  const isRendered = files.some(({ file }) => file.text === description);
  return isRendered ? files : [{ file: { path, text: description }, isNamed: true }, ...files];
}

function text(links: readonly Link[], wrong: readonly Disorder[]): string {
  const rows = links.map((link) => [STAGES[link.stage], durationText(link.fromMs), durationText(link.toMs), link.how, where(link)]);
  const order =
    wrong.length === 0
      ? 'Every link is in order.\n'
      : `Out of order:\n${wrong.map(({ earlier, message }) => `  ${where(earlier)}: ${message}\n`).join('')}`;
  return `${table(['WHAT', 'FROM', 'TO', 'HOW', 'WHERE'], rows)}\n${plot(links)}\n${order}`;
}

function where({ at, who }: Link): string {
  if (at === undefined) return who;
  const { line, column } = placeOf(at);
  return `${at.file.path}:${line}:${column}`;
}

function jsonText(links: readonly Link[], wrong: readonly Disorder[]): string {
  const shown = ({ stage, fromMs, toMs, how, at, who }: Link) => ({
    stage,
    fromMs,
    toMs,
    how,
    who,
    ...(at !== undefined && { file: at.file.path, ...placeOf(at) }),
  });
  return `${JSON.stringify({
    links: links.map(shown),
    outOfOrder: wrong.map(({ earlier, later, message }) => ({ earlier: shown(earlier), later: shown(later), message })),
  })}\n`;
}

function writePicture(path: string, svg: string): void {
  try {
    writeFileSync(path, svg);
  } catch (error) {
    throw new HaleError({
      code: 'picture_unwritable',
      kind: 'world',
      message: `${path}: cannot be written: ${(error as Error).message}`,
      remedy: 'name another file with --svg',
      cause: error,
    });
  }
}
