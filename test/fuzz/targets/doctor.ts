/** Configuration of others, as hale doctor reads it. */
import { ok } from 'node:assert/strict';
import { examine } from '../../../src/core/doctor/examine.ts';
import { gather } from '../../../src/core/doctor/gather.ts';
import { mend } from '../../../src/core/doctor/mend.ts';
import { rules } from '../../../src/core/doctor/rules/index.ts';
import { hideSecrets, secretsIn } from '../../../src/core/doctor/secrets.ts';
import { decode } from '../../../src/drivers/doctor/decode.ts';
import { lineText } from '../refusal.ts';
import type { Target } from '../target.ts';

/** What a file is called decides how it is read: the first byte chooses. */
const NAMES = [
  'haproxy.cfg',
  'keepalived.conf',
  'nginx.conf',
  'a.yaml',
  'check.sh',
  'etc/sysctl.d/a.conf',
  'a.service',
  'etc/rancher/k3s/config.yaml',
  'etc/default/etcd',
  'notes',
];

const LANGUAGES = [/haproxy/, /keepalived/, /nginx/, /ya?ml$/, /sh$/, /sysctl/, /service$/, /rancher/, /default/];

const seeds = rules.flatMap(({ examples: { bad, good } }) =>
  [...bad, ...good].flatMap((example) =>
    Object.entries(example).map(([path, text]) => {
      const language = LANGUAGES.findIndex((pattern) => pattern.test(path));
      return Buffer.from(`${String.fromCharCode(97 + (language === -1 ? NAMES.length - 1 : language))}${text}`);
    }),
  ),
);

const doctor: Target = {
  name: 'doctor',
  property: 'any file gives findings at places in it, with edits that fit into it, or is passed over; nothing is thrown',
  seeds: seeds.filter(({ length }) => length <= 4096),
  text: true,
  maxLength: 4096,
  batch: 16,
  quickExecutions: 300,
  run(input) {
    const path = NAMES[((input[0] ?? 97) + NAMES.length * 256 - 97) % NAMES.length] as string;
    const { file, troubles } = decode(Buffer.from(input.subarray(1)), { path });
    const findings = examine(gather(file === undefined ? [] : [{ file, isNamed: true }], troubles), rules);
    ok(file !== undefined || findings.length > 0, 'nothing is said of what could not be read');
    const text = file?.text ?? '';
    const lines = text.split('\n').length;
    for (const { line, column, message, edits } of findings) {
      ok(line >= 1 && line <= lines && column >= 1, `${line}:${column} is no place in ${lines} lines`);
      lineText(message.replaceAll(/\p{C}/gu, ' '));
      ok(text.includes('undefined') || !message.includes('undefined'), message);
      for (const { span } of edits) ok(span.start >= 0 && span.start <= span.end && span.end <= text.length, 'an edit outside of the file');
    }
    if (file === undefined) return;
    mend(findings, new Set([file]));
    const secrets = secretsIn(text);
    ok(hideSecrets(text, secrets).length > 0 || text === '');
  },
};

export const doctorTargets: readonly Target[] = [doctor];
