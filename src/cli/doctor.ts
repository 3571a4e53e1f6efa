import { Command, InvalidArgumentError, Option } from 'commander';
import { HaleError } from '../base/error.ts';
import { nearest } from '../core/cluster/nearest.ts';
import { examine } from '../core/doctor/examine.ts';
import { SEVERITIES, type Severity } from '../core/doctor/finding.ts';
import { gather } from '../core/doctor/gather.ts';
import { rules } from '../core/doctor/rules/index.ts';
import { readFiles } from '../drivers/doctor/files.ts';
import { renderJson } from './doctor/render-json.ts';
import { renderText } from './doctor/render-text.ts';
import { timingCommand } from './doctor/timing.ts';
import { chosenFindings, exitCodeOf, type Report } from './doctor/report.ts';

const FORMATS = { text: renderText, json: renderJson } as const;

interface DoctorOptions {
  format: keyof typeof FORMATS;
  json?: true;
  severity: Severity;
  ignore: string[];
}

/** `hale doctor`: what is wrong in the configuration that people already have. */
export function doctorCommand(): Command {
  return new Command('doctor')
    .description(
      'find what is wrong in configuration of HAProxy, keepalived, kube-vip, kubeadm, k3s, etcd, kubelet and what belongs to them',
    )
    .argument('[files...]', 'files and folders; - is standard input')
    .enablePositionalOptions()
    .addCommand(timingCommand())
    .addOption(new Option('--format <format>', 'how to print the findings').choices(Object.keys(FORMATS)).default('text'))
    .option('--json', 'the same as --format json')
    .addOption(new Option('--severity <least>', 'leave out what is less serious').choices(SEVERITIES).default('info'))
    .addOption(new Option('--ignore <id>', 'leave out the findings of this rule; may be given several times').argParser(ruleId).default([]))
    .action((files: string[], options: DoctorOptions) => {
      const report = diagnose(files, options);
      process.stdout.write(FORMATS[options.json ? 'json' : options.format](report));
      process.exitCode = exitCodeOf(report);
    });
}

function ruleId(id: string, before: readonly string[]): string[] {
  if (rules.some((rule) => rule.id === id)) return [...before, id];
  const near = nearest(
    id,
    rules.map((rule) => rule.id),
  );
  throw new InvalidArgumentError(`There is no rule of this name${near === undefined ? '' : `; did you mean ${near}?`}`);
}

function diagnose(names: readonly string[], { severity, ignore }: DoctorOptions): Report {
  if (names.length === 0)
    throw new HaleError({
      code: 'doctor_nothing_named',
      kind: 'usage',
      message: 'nothing was named to look at',
      remedy: 'name files or folders, such as /etc/haproxy /etc/keepalived /etc/kubernetes, or - for standard input',
    });
  const found = readFiles(names);
  const facts = gather(found.files, found.troubles);
  const findings = chosenFindings(examine(facts, rules), { least: severity, ignored: new Set(ignore) });
  const passedOver = found.passedOver + facts.passedOver;
  return { findings, files: found.files.length - facts.passedOver, passedOver };
}
