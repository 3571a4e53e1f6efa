import { examine } from '../../core/doctor/examine.ts';
import type { Finding, Severity } from '../../core/doctor/finding.ts';
import { gather } from '../../core/doctor/gather.ts';
import type { Rule } from '../../core/doctor/rule.ts';
import { hideSecrets, secretsIn } from '../../core/doctor/secrets.ts';
import type { Found } from '../../drivers/doctor/files.ts';
import { chosenFindings, type Report } from './report.ts';

export interface Choice {
  rules: readonly Rule[];
  least: Severity;
  ignored: ReadonlySet<string>;
}

/** Everything that was found is looked at together; without the secrets that it holds. */
export function diagnose({ files, troubles, passedOver }: Found, { rules, ...choice }: Choice): Report {
  const facts = gather(files, troubles);
  const findings = chosenFindings(examine(facts, rules), choice);
  const secrets = findings.length === 0 ? [] : [...new Set(files.flatMap(({ file }) => secretsIn(file.text)))];
  return {
    findings: findings.map((finding) => withoutSecrets(finding, secrets)),
    files: files.length - facts.passedOver,
    passedOver: passedOver + facts.passedOver,
    secrets,
  };
}

function withoutSecrets(finding: Finding, secrets: readonly string[]): Finding {
  return { ...finding, message: hideSecrets(finding.message, secrets) };
}
