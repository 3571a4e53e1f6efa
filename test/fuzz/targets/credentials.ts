/** Credentials in files: kubeconfigs and certificates. */
import { deepEqual, equal, ok } from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { formatIp, parseIp } from '../../../src/base/address.ts';
import { certificateProblems } from '../../../src/core/pki/certificate.ts';
import { parseKubeconfig } from '../../../src/core/pki/current-context.ts';
import { kubeconfigText, renewKubeconfig } from '../../../src/core/pki/kubeconfig.ts';
import { Reading } from '../../../src/drivers/kubernetes/kubeconfig.ts';
import { belongsTo, contentsOf, leadsTo, parseCertificates } from '../../../src/drivers/pki/certificates.ts';
import { lineText, refusalOf } from '../refusal.ts';
import type { Target } from '../target.ts';

/* DER of an authority, of a client's certificate that it signed, and of this one's key, made with openssl for this file alone. */
const AUTHORITY = [
  'MIIBgDCCASegAwIBAgIUaxDLuvgIdasv9t9U01Kie8DsmLAwCgYIKoZIzj0EAwIwFTETMBEGA1UEAwwKa3ViZXJuZXRlczAgFw0y',
  'NjExMjEyMjEyMThaGA8yMTI2MTAyODIyMTIxOFowFTETMBEGA1UEAwwKa3ViZXJuZXRlczBZMBMGByqGSM49AgEGCCqGSM49AwEH',
  'A0IABBfKe19aOw+UnVsORVpAW4wmzlnSexGkHw85LShEPjlCbeotc4o0+wccmhb9B6nB/bQIA0kl0iLp6WV9TG9boCijUzBRMB0G',
  'A1UdDgQWBBTmgLjcJBHLgIprx6/jK9nwhz7w+DAfBgNVHSMEGDAWgBTmgLjcJBHLgIprx6/jK9nwhz7w+DAPBgNVHRMBAf8EBTAD',
  'AQH/MAoGCCqGSM49BAMCA0cAMEQCID6mSD4ir4/BEXgUhh44ZStCpQfXrpOapHn1jfudz95GAiABMaljmT4J0AAb3IiBXOtYKd9O',
  '6weEtSKy35fbwIrmDQ==',
].join('');
const CLIENT = [
  'MIIB4DCCAYegAwIBAgIUSz6l3pPOXJobLJbUA02lDe4zvS4wCgYIKoZIzj0EAwIwFTETMBEGA1UEAwwKa3ViZXJuZXRlczAgFw0y',
  'NjExMjEyMjEyMThaGA8yMTI2MTAyODIyMTIxOFowPDEfMB0GA1UECgwWa3ViZWFkbTpjbHVzdGVyLWFkbWluczEZMBcGA1UEAwwQ',
  'a3ViZXJuZXRlcy1hZG1pbjBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABPoyfhaXF+YviqSVuJJmtNH0Pt3aLqu+KeWwDNb0k75h',
  'hWdjBD1b+Dxk5n5hDIv1nAqGdqgYlr4de0Pwvsjnj1GjgYswgYgwMQYDVR0RBCowKIIDY3Axgglsb2NhbGhvc3SHBAoAAAuHEP0A',
  'AAAAAAAAAAAAAAAAABEwEwYDVR0lBAwwCgYIKwYBBQUHAwIwHQYDVR0OBBYEFJiOVxDJWX28V/BoBD44yKh5pWKnMB8GA1UdIwQY',
  'MBaAFOaAuNwkEcuAimvHr+Mr2fCHPvD4MAoGCCqGSM49BAMCA0cAMEQCID3gEUoy7oBVHx3zFwxeDBW+OSW4s9f9lxpUORm9PY1N',
  'AiBVEhhW/JSJ75FADXk89r6FqguajGkofSmwmW2BY1zv7w==',
].join('');
const KEY = [
  'MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgWbBB3PaggKJzMs1fGO2+fh/hKAsDcENe2B6dnyGo9JGhRANCAAT6',
  'Mn4WlxfmL4qklbiSZrTR9D7d2i6rvinlsAzW9JO+YYVnYwQ9W/g8ZOZ+YQyL9ZwKhnaoGJa+HXtD8L7I549R',
].join('');

const pem = (label: string, base64Text: string): string =>
  `-----BEGIN ${label}-----\n${base64Text.replaceAll(/.{64}/g, '$&\n')}\n-----END ${label}-----\n`;
const base64 = (text: string): string => Buffer.from(text).toString('base64');

const authorityPem = pem('CERTIFICATE', AUTHORITY);
const certPem = pem('CERTIFICATE', CLIENT);
const keyPem = pem('PRIVATE KEY', KEY);
const TOKEN = 'eyJhbGciOi.c2VjcmV0LXRva2Vu.c2lnbmF0dXJl';

const facts = { clusterName: 'prod', server: 'https://10.0.0.100:6443', user: 'admin', caPem: authorityPem, certPem, keyPem };
const inline = kubeconfigText(facts, base64);

const NAMED = `apiVersion: v1
kind: Config
current-context: b
contexts:
- {name: a, context: {cluster: prod, user: other}}
- {name: b, context: {cluster: prod, user: admin, namespace: kube-system}}
clusters:
- name: prod
  cluster: {server: "https://[fd00::1]/k/", certificate-authority: ca.crt, tls-server-name: api}
users:
- {name: other, user: {exec: {command: x}}}
- name: admin
  user:
    client-certificate: client.crt
    client-key: client.key
    tokenFile: token
    token: ${TOKEN}
`;

const FILES: Readonly<Record<string, string>> = {
  '/k/ca.crt': authorityPem,
  '/k/client.crt': certPem,
  '/k/client.key': keyPem,
  '/k/token': `${TOKEN}\n`,
};

const kubeconfig: Target = {
  name: 'kubeconfig',
  property:
    'a kubeconfig gives what a client needs, and is renewed so that it gives the new; or it is refused in words that show no secret',
  seeds: [inline, NAMED, 'users: &a [*a]\n', '- !!binary x\n', `current-context: "${TOKEN}`].map((text) => Buffer.from(text)),
  text: true,
  maxLength: 4096,
  batch: 32,
  quickExecutions: 400,
  run(input) {
    const text = Buffer.from(input).toString();
    const read = parseKubeconfig(text);
    const renewed = renewKubeconfig(text, { ...facts, server: 'https://new', base64 });
    equal(renewed !== undefined, read.ok, 'what can be read can be renewed, and nothing else');
    if (!read.ok) {
      lineText(`${read.fault.at} ${read.fault.problem}`);
      lineText(read.fault.remedy);
      showsNothing(`${read.fault.at} ${read.fault.problem} ${read.fault.remedy}`);
    }
    if (renewed !== undefined) isRenewed(text, renewed);
    const files = { ...FILES, '/k/a.conf': text };
    const refusal = refusalOf(() => {
      const { host, port, token = 'x', client } = new Reading('/k/a.conf', (path) => fileOf(files, path)).access();
      ok(host !== '' && port >= 0 && port < 65_536, 'a server that is none');
      ok(/^[\x21-\x7e]+$/.test(token), 'a token that no header takes');
      if (client !== undefined) ok(belongsTo(new X509Certificate(client.cert), client.key), 'a pair that is none');
    });
    // What stands for the name of a file is shown.
    if (refusal?.code !== 'kubeconfig_unreadable') showsNothing(`${refusal?.message} ${refusal?.remedy}`);
  },
};

function fileOf(files: Readonly<Record<string, string>>, path: string): string {
  if (Object.hasOwn(files, path)) return files[path] as string;
  throw Object.assign(new Error('no such file'), { code: 'ENOENT' });
}

const SECRETS = [TOKEN.slice(0, 20), base64(keyPem).slice(40, 80), KEY.slice(60, 90)];

function showsNothing(said: string): void {
  for (const secret of SECRETS) ok(!said.includes(secret), 'a secret is shown');
}

function isRenewed(old: string, renewed: string): void {
  const [before, after] = [old, renewed].map((text) => {
    const read = parseKubeconfig(text);
    ok(read.ok, 'a renewed kubeconfig is none');
    return read.kubeconfig;
  }) as [Kubeconfig, Kubeconfig];
  equal(after.server.url, 'https://new');
  const held = [after.authority, after.certificate, after.key].map((source) => source !== undefined && 'base64' in source && source.base64);
  deepEqual(held, [authorityPem, certPem, keyPem].map(base64));
  deepEqual(
    [after.token, after.serverName, after.user.at, after.cluster.at],
    [before.token, before.serverName, before.user.at, before.cluster.at],
  );
}

type Kubeconfig = Extract<ReturnType<typeof parseKubeconfig>, { ok: true }>['kubeconfig'];

const [authority] = parseCertificates(authorityPem) as [X509Certificate];

const certificate: Target = {
  name: 'certificate',
  property: 'bytes that a certificate may be are refused, or can be shown, judged, and compared with an authority and a key',
  seeds: [Buffer.from(CLIENT, 'base64'), Buffer.from(AUTHORITY, 'base64')],
  maxLength: 2048,
  batch: 64,
  quickExecutions: 400,
  run(input) {
    parseCertificates(Buffer.from(input).toString('latin1'));
    const found = parseCertificates(`${pem('CERTIFICATE', Buffer.from(input).toString('base64'))}${authorityPem}`);
    if (found === undefined) return;
    const contents = contentsOf(found[0]);
    for (const text of [contents.subject, contents.issuer]) ok(!/\p{Cc}/u.test(text), 'a name that a terminal would obey');
    for (const time of [contents.notBefore, contents.notAfter]) ok(!Number.isNaN(Date.parse(time)), 'no time');
    for (const address of contents.ipAddresses) equal(formatIp(parseIp(address) ?? new Uint8Array(4)), address);
    const judged = {
      ...contents,
      name: 'apiserver',
      path: '/a.crt',
      kind: 'certificate' as const,
      keyPath: '/a.key',
      keyMatches: belongsTo(found[0], keyPem),
      keyReadableByOthers: false,
      authority: 'ca' as const,
      signedByAuthority: leadsTo(found, [authority]),
      halfRenewed: false,
    };
    leadsTo([authority, found[0]], [found[0]]);
    const cluster = { endpoint: { provider: 'hale' as const, addresses: ['10.0.0.100'], port: 6443, dnsName: 'api.example.com' } };
    for (const { text } of certificateProblems(judged, { nowMs: 0, days: 30, cluster })) lineText(text);
  },
};

export const credentialTargets: readonly Target[] = [kubeconfig, certificate];
