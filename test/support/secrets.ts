import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import type { LabPlan } from '../../src/lab/plan.ts';

/** Shorter pieces of a key would be found by chance. */
const TELLING_CHARS = 24;

/** What must reach nobody: where it stands, and a piece of it that gives it away. */
export interface Secret {
  place: string;
  text: string;
}

/** All private keys, client keys of kubeconfigs, shared keys and tokens of a lab's control plane. */
export function secretsOf(plan: LabPlan, folderOf: (host: string) => string): Secret[] {
  const { encryptionKeys, etcdToken } = plan.secrets;
  return [
    ...encryptionKeys.map(({ name, secret }) => ({ place: `encryption key ${name}`, text: secret })),
    { place: 'token of etcd', text: etcdToken },
    ...plan.controlPlane.flatMap(({ name }) => secretsOfHost(join(folderOf(name), 'etc'))),
  ];
}

function secretsOfHost(etc: string): Secret[] {
  const read = (file: string) => ({ place: join(etc, file), text: readFileSync(join(etc, file), 'utf8') });
  const keys = globSync('{kubernetes,hale}/**/*.key', { cwd: etc })
    .map(read)
    .flatMap(({ place, text }) => piecesOf(place, text));
  const kubeconfigs = globSync('kubernetes/*.conf', { cwd: etc }).map(read);
  return [
    ...keys,
    ...kubeconfigs.flatMap(({ place, text }) => {
      const data = clientKey(text);
      return [{ place, text: data }, ...piecesOf(place, Buffer.from(data, 'base64').toString())];
    }),
  ];
}

/** Each line but those that frame it: also a part of a key is too much. */
function piecesOf(place: string, key: string): Secret[] {
  return key
    .split('\n')
    .filter((line) => line.length >= TELLING_CHARS && !line.startsWith('-----'))
    .map((text) => ({ place, text }));
}

function clientKey(kubeconfig: string): string {
  const { users } = parse(kubeconfig) as { users: { user: Record<string, string> }[] };
  const data = users[0]?.user['client-key-data'];
  if (data === undefined) throw new Error('a kubeconfig of the lab holds its key');
  return data;
}

/** What a text gives away, named by its place alone; any PEM key and any signed token besides. */
export function leaks(text: string, secrets: readonly Secret[]): string[] {
  const found = secrets.filter((secret) => text.includes(secret.text)).map(({ place }) => place);
  if (text.includes('PRIVATE KEY')) found.push('a private key in PEM');
  if (/eyJ[\w-]{8,}\.[\w-]+\./.test(text)) found.push('a JSON Web Token');
  return found;
}
