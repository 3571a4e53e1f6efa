import { readFileSync } from 'node:fs';
import { HaleError } from '../../base/error.ts';
import { isOpenToOthers } from '../owner-only.ts';

export interface Credentials {
  username: string;
  password: string;
}

type Section = Partial<Credentials>;

/** Those of every node; what a node's section leaves out is that of all. */
export interface CredentialsFile {
  of(node: string): Credentials;
}

/**
 * Reads `username = ` and `password = `, and `[NODE]` sections for nodes that differ; `#` begins a comment line. A value is the rest of its line
 * without blanks around it. HaleErrors `power_credentials_unreadable`, `power_credentials_open`, `power_credentials_wrong`, which never show a value.
 */
export function readCredentials(file: string): CredentialsFile {
  return parseCredentials(textOf(file), file);
}

function textOf(file: string): string {
  let isOpen: boolean;
  let text: string;
  try {
    isOpen = isOpenToOthers(file);
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new HaleError({
      code: 'power_credentials_unreadable',
      kind: 'usage',
      message: `${file}: the credentials of the management controllers cannot be read: ${(error as Error).message}`,
      remedy: 'write them there, or name another file in heal.power.credentialsFile',
      cause: error,
    });
  }
  if (!isOpen) return text;
  throw new HaleError({
    code: 'power_credentials_open',
    kind: 'usage',
    message: `${file}: others than its owner can read the credentials of the management controllers`,
    remedy: `chmod 600 ${file}`,
  });
}

/** The text of such a file; `file` is what errors call it. */
export function parseCredentials(text: string, file: string): CredentialsFile {
  const all: Section = {};
  const nodes = new Map<string, Section>();
  let section = all;
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    const at = `${file}:${i + 1}`;
    const words = line.trim();
    if (words === '' || words.startsWith('#')) continue;
    if (words.startsWith('[')) section = beginSection(words, nodes, at);
    else readPair(words, section, at);
  }
  return { of: (node) => complete({ ...all, ...nodes.get(node) }, node, file) };
}

function beginSection(words: string, nodes: Map<string, Section>, at: string): Section {
  const name = /^\[\s*([a-z0-9][a-z0-9.-]*)\s*\]$/.exec(words)?.[1];
  if (name === undefined) throw wrong(`${at}: this is no section: expected the name of a node in brackets, such as [cp1]`);
  if (nodes.has(name)) throw wrong(`${at}: the section [${name}] is there twice`);
  const section: Section = {};
  nodes.set(name, section);
  return section;
}

function readPair(words: string, section: Section, at: string): void {
  const [, key, value = ''] = /^(username|password)\s*=\s*(.*)$/s.exec(words) ?? [];
  // The line is not shown: it may be a password alone.
  if (key !== 'username' && key !== 'password') throw wrong(`${at}: expected \`username = \`, \`password = \` or a section such as [cp1]`);
  if (section[key] !== undefined) throw wrong(`${at}: ${key} is given twice`);
  if (value === '') throw wrong(`${at}: ${key} has no value`);
  // RFC 7617 section 2; and no program takes them in its environment.
  if (/\p{Cc}/u.test(value)) throw wrong(`${at}: ${key} has a control character in it`);
  if (key === 'username' && value.includes(':')) throw wrong(`${at}: username has a colon in it, which ends a name in HTTP`);
  section[key] = value;
}

function complete({ username, password }: Section, node: string, file: string): Credentials {
  if (username !== undefined && password !== undefined) return { username, password };
  throw wrong(`${file}: there is no ${username === undefined ? 'username' : 'password'} for the node ${JSON.stringify(node)}`);
}

function wrong(message: string): HaleError {
  return new HaleError({
    code: 'power_credentials_wrong',
    kind: 'usage',
    message,
    remedy:
      'write `username = …` and `password = …`, each on its own line, and after those a section such as [cp1] for each node that differs',
  });
}
