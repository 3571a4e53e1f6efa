import { Command, InvalidArgumentError, Option } from 'commander';
import { HaleError } from '../base/error.ts';
import { nearest } from '../core/cluster/nearest.ts';
import { SEVERITIES, type Severity } from '../core/doctor/finding.ts';
import { rules } from '../core/doctor/rules/index.ts';
import type { MendedFile } from '../core/doctor/mend.ts';
import type { TextFile } from '../core/doctor/text-file.ts';
import { type Found, STANDARD_INPUT } from '../drivers/doctor/files.ts';
import { diagnose } from './doctor/diagnose.ts';
import { explainCommand } from './doctor/explain.ts';
import { fixFiles, type FixOptions } from './doctor/fix.ts';
import { renderJson } from './doctor/render-json.ts';
import { renderJunit } from './doctor/render-junit.ts';
import { renderSarif } from './doctor/render-sarif.ts';
import { renderText } from './doctor/render-text.ts';
import { exitCodeOf, joined, type Report } from './doctor/report.ts';
import { readSources, type SourceOptions } from './doctor/sources.ts';
import { timingCommand } from './doctor/timing.ts';

const FORMATS = { text: renderText, json: renderJson, sarif: renderSarif, junit: renderJunit } as const;

interface DoctorOptions extends FixOptions, SourceOptions {
  format: keyof typeof FORMATS;
  json?: true;
  severity: Severity;
  ignore: string[];
  fix?: true;
}

/** `hale doctor`: what is wrong in the configuration that people already have. */
export function doctorCommand(): Command {
  return new Command('doctor')
    .description(
      'find what is wrong in configuration of HAProxy, keepalived, kube-vip, kubeadm, k3s, etcd, kubelet and what belongs to them',
    )
    .enablePositionalOptions()
    .argument('[files...]', 'files and folders; - is standard input')
    .option('--cluster <file>', 'a cluster.yaml: looks at it, at what hale would render for it, and whether the files fit it')
    .option('--kubeconfig <file>', 'looks at the live cluster that it leads to; never at Secrets')
    .addOption(new Option('--ssh <hosts>', 'looks at the known files of these hosts, separated by commas').argParser(list))
    .addOption(
      new Option('--ssh-option <option>', 'with --ssh: as `ssh -o`, such as Port=2222; may be given several times')
        .argParser(several)
        .default([]),
    )
    .addOption(new Option('--format <format>', 'how to print the findings').choices(Object.keys(FORMATS)).default('text'))
    .option('--json', 'the same as --format json')
    .addOption(
      new Option('--severity <least>', 'leave out what is less serious; infos alone are exit code 0').choices(SEVERITIES).default('info'),
    )
    .addOption(new Option('--ignore <id>', 'leave out the findings of this rule; may be given several times').argParser(ruleId).default([]))
    .option('--fix', 'show as a diff what can be mended by replacing text, ask, and mend it')
    .option('--yes', 'with --fix: do not ask')
    .option('--dry-run', 'with --fix: write nothing')
    .addCommand(explainCommand())
    .addCommand(timingCommand())
    .action(doctor);
}

async function doctor(names: readonly string[], options: DoctorOptions): Promise<void> {
  const { found, rendered, onDisk } = await readSources(names, options);
  const choice = { rules, least: options.severity, ignored: new Set(options.ignore) };
  const format = options.json ? 'json' : options.format;
  let report = diagnose(found, choice);
  if (options.fix) {
    const stream = format === 'text' ? process.stdout : process.stderr;
    const mended = await fixFiles({ findings: report.findings, writable: writableOf(onDisk), say: (text) => stream.write(text) }, options);
    if (mended.length > 0) report = diagnose(withTexts(found, mended), choice);
  }
  report = joined(report, diagnose(rendered, choice));
  if (report.files === 0 && report.findings.length === 0) throw nothingKnown(report);
  process.stdout.write(FORMATS[format](report));
  process.exitCode = exitCodeOf(report);
}

const writableOf = ({ files }: Found): ReadonlySet<TextFile> =>
  new Set(files.map(({ file }) => file).filter(({ path }) => path !== STANDARD_INPUT));

/** As it is after some were mended. */
function withTexts(found: Found, mended: readonly MendedFile[]): Found {
  const texts = new Map(mended.map(({ file, text }) => [file, text]));
  return { ...found, files: found.files.map(({ file, isNamed }) => ({ file: { ...file, text: texts.get(file) ?? file.text }, isNamed })) };
}

/** Silence would look as if all were good. */
function nothingKnown({ passedOver }: Report): HaleError {
  return new HaleError({
    code: 'doctor_nothing_known',
    kind: 'usage',
    message: `nothing was checked: of ${passedOver} files there, hale knows none`,
    remedy: 'name a folder with configuration such as /etc/haproxy or /etc/kubernetes; a file that is named itself is told of',
  });
}

function ruleId(id: string, before: readonly string[]): string[] {
  const ids = rules.map((rule) => rule.id);
  if (ids.includes(id)) return [...before, id];
  const near = nearest(id, ids);
  throw new InvalidArgumentError(`There is no rule of this name${near === undefined ? '' : `; did you mean ${near}?`}`);
}

function list(text: string): string[] {
  const hosts = text.split(',').map((host) => host.trim());
  const wrong = hosts.find((host) => !/^[\w@:[][\w.@:%[\]/-]*$/.test(host));
  if (wrong === undefined) return hosts;
  throw new InvalidArgumentError(`${JSON.stringify(wrong)} is no host as ssh takes it, such as cp1 or root@10.0.0.1.`);
}

const several = (text: string, before: readonly string[]): string[] => [...before, text];
