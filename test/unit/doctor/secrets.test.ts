import { describe, expect, test } from 'vitest';
import { diagnose } from '../../../src/cli/doctor/diagnose.ts';
import { renderJson } from '../../../src/cli/doctor/render-json.ts';
import { renderJunit } from '../../../src/cli/doctor/render-junit.ts';
import { renderSarif } from '../../../src/cli/doctor/render-sarif.ts';
import { renderText } from '../../../src/cli/doctor/render-text.ts';
import type { Rule } from '../../../src/core/doctor/rule.ts';
import { rules } from '../../../src/core/doctor/rules/index.ts';
import { hideSecrets, secretsIn } from '../../../src/core/doctor/secrets.ts';

const HEX = '0123456789abcdef'.repeat(4);

/** A file, and the secret that is in it. */
const SECRETS: readonly (readonly [string, string, string])[] = [
  ['keepalived', 'authentication {\n  auth_type PASS\n  auth_pass s3cr3tpw\n}\n', 's3cr3tpw'],
  ['statistics of HAProxy', 'listen stats\n  stats auth admin:Hunter2x\n', 'Hunter2x'],
  ['users of HAProxy', 'userlist ops\n  user ann insecure-password Hunter2x\n', 'Hunter2x'],
  ['k3s', 'token: K3sVerySecret\ntls-san: [api]\n', 'K3sVerySecret'],
  ['k3s, quoted', '"agent-token": "K3sVerySecret"\n', 'K3sVerySecret'],
  ['k3s, the long form', `server: https://10.0.0.1\nx: K10${HEX}::server:abcdef\n`, `K10${HEX}::server:abcdef`],
  ['kubeadm', 'bootstrapTokens:\n- token: abcdef.0123456789abcdef\n', 'abcdef.0123456789abcdef'],
  ['certificate key', `certificateKey: ${HEX}\n`, HEX],
  ['a command', 'kubeadm join 10.0.0.1:6443 --token abcdef.0123456789abcdef --certificate-key k3yk3yk3y\n', 'k3yk3yk3y'],
  ['a variable', 'K3S_TOKEN=K3sVerySecret\n', 'K3sVerySecret'],
  ['a variable of a unit', 'Environment="ETCD_ROOT_PASSWORD=pa55word"\n', 'pa55word'],
  ['encryption at rest', 'keys:\n- name: key1\n  secret: c2VjcmV0IGlzIHNlY3JldA==\n', 'c2VjcmV0IGlzIHNlY3JldA=='],
  ['a Secret', 'apiVersion: v1\nkind: Secret\ndata:\n  whatever: aHVudGVyMg==\n', 'aHVudGVyMg=='],
  ['kubeconfig', 'users:\n- user:\n    client-key-data: LS0tLS1CRUdJTg==\n', 'LS0tLS1CRUdJTg=='],
];

describe('secrets of configuration', () => {
  test.each(SECRETS)('of %s is hidden wherever it stands', (_, text, secret) => {
    const secrets = secretsIn(text);
    expect(hideSecrets(text, secrets)).not.toContain(secret);
    expect(hideSecrets(`the value ${secret} is too long`, secrets)).toBe('the value (hidden) is too long');
  });

  test('a rule that quotes one does not show it, and one that would write one shows no edit', () => {
    const file = { path: 'etc/rancher/k3s/config.yaml', text: 'token: K3sVerySecret\ncluster-init: true\n' };
    const hit = {
      at: { file, start: 0, end: 5 },
      message: 'the token is K3sVerySecret',
      edits: [{ span: { file, start: 0, end: 5 }, text: 'x: K3sVerySecret' }],
    };
    const rule: Rule = { ...(rules[0] as Rule), check: () => [hit] };
    const found = { files: [{ file, isNamed: true }], troubles: [], passedOver: 0 };
    const report = diagnose(found, { rules: [rule], least: 'info', ignored: new Set() });
    expect(report.findings[0]).toMatchObject({ message: 'the token is (hidden)', edits: hit.edits });
    for (const render of [renderText, renderJson, renderSarif, renderJunit]) expect(render(report)).not.toContain('K3sVerySecret');
  });

  test('what is none stays', () => {
    const plain = [
      'token-file: /etc/token\n',
      'automountServiceAccountToken: false\n',
      'tokenTTL: 24h\n',
      'ttl: 24h0m0s\n',
      `caCertHashes: ["sha256:${HEX}"]\n`,
      'server cp1 10.0.0.1:6443 check\n',
      'password: $PASSWORD\n',
    ];
    for (const text of plain) expect(hideSecrets(text, secretsIn(text))).toBe(text);
  });

  test('a short one, and one inside another word, does not garble what is said', () => {
    expect(hideSecrets('timeout 42 of 142', secretsIn('auth_pass 42\n'))).toBe('timeout 42 of 142');
    expect(hideSecrets('cluster nodes', secretsIn('auth_pass node\n'))).toBe('cluster nodes');
  });
});
