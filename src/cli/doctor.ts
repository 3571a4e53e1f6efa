import { Command, InvalidArgumentError, Option } from 'commander';
import { HaleError } from '../base/error.ts';
import { nearest } from '../core/cluster/nearest.ts';
import { SEVERITIES, type Severity } from '../core/doctor/finding.ts';
import { rules } from '../core/doctor/rules/index.ts';
import { type Found, readFiles, STANDARD_INPUT } from '../drivers/doctor/files.ts';
import { diagnose } from './doctor/diagnose.ts';
import { explainCommand } from './doctor/explain.ts';
import { fixFiles, type FixOptions } from './doctor/fix.ts';
import { renderJson } from './doctor/render-json.ts';
import { renderJunit } from './doctor/render-junit.ts';
import { renderSarif } from './doctor/render-sarif.ts';
import { renderText } from './doctor/render-text.ts';
import { exitCodeOf } from './doctor/report.ts';
import { timingCommand } from './doctor/timing.ts';

const FORMATS = { text: renderText, json: renderJson, sarif: renderSarif, junit: renderJunit } as const;

interface DoctorOptions extends FixOptions {
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
    .action(async (names: string[], options: DoctorOptions) => await doctor(read(names), options));
}

async function doctor(found: Found, options: DoctorOptions): Promise<void> {
  const choice = { rules, least: options.severity, ignored: new Set(options.ignore) };
  const format = options.json ? 'json' : options.format;
  let report = diagnose(found, choice);
  if (options.fix) {
    const writable = new Set(found.files.map(({ file }) => file).filter(({ path }) => path !== STANDARD_INPUT));
    const stream = format === 'text' ? process.stdout : process.stderr;
    const mended = await fixFiles({ findings: report.findings, writable, say: (text) => stream.write(text) }, options);
    const texts = new Map(mended.map(({ file, text }) => [file, text]));
    const files = found.files.map(({ file, isNamed }) => ({ file: { ...file, text: texts.get(file) ?? file.text }, isNamed }));
    if (mended.length > 0) report = diagnose({ ...found, files }, choice);
  }
  process.stdout.write(FORMATS[format](report));
  process.exitCode = exitCodeOf(report);
}

function ruleId(id: string, before: readonly string[]): string[] {
  const ids = rules.map((rule) => rule.id);
  if (ids.includes(id)) return [...before, id];
  const near = nearest(id, ids);
  throw new InvalidArgumentError(`There is no rule of this name${near === undefined ? '' : `; did you mean ${near}?`}`);
}

function read(names: readonly string[]): Found {
  if (names.length > 0) return readFiles(names);
  throw new HaleError({
    code: 'doctor_nothing_named',
    kind: 'usage',
    message: 'nothing was named to look at',
    remedy: 'name files or folders, such as /etc/haproxy /etc/keepalived /etc/kubernetes, or - for standard input',
  });
}
