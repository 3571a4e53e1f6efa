/** Files of hosts for hale doctor, through this system's OpenSSH: its configuration, agents, jump hosts and known hosts hold. */
import { spawn } from 'node:child_process';
import { HaleError } from '../../base/error.ts';
import { printable } from '../../base/printable.ts';
import type { Trouble } from '../../core/doctor/read/trouble.ts';
import { topOf } from '../../core/doctor/text-file.ts';
import { noSsh, SSH_OPTIONS } from '../ssh.ts';
import { decode, FILE_BYTES_MAX, isLeftover, notRead, type ReadText } from './decode.ts';
import type { Found } from './files.ts';
import { REMOTE_SCRIPT } from './remote-script.ts';
import { readTar, type TarFile } from './tar.ts';

/** More than any host has of what is asked for. */
const ARCHIVE_BYTES_MAX = 64 * 2 ** 20;
const DEADLINE_MS = 60_000;
const AT_ONCE = 16;

export interface HostsAccess {
  /** As ssh takes them: `cp1`, `root@10.0.0.1`, `ssh://root@cp1:2222`. */
  hosts: readonly string[];
  /** As `ssh -o` takes them; before those of hale, so that they win. */
  options: readonly string[];
}

/** What hosts have of the files that hale doctor knows. A host that cannot be reached is among the troubles; HaleError `ssh_no_host_reached` when none can. */
export async function readHosts({ hosts, options }: HostsAccess): Promise<Found> {
  const waiting = [...new Set(hosts)];
  const results: HostFiles[] = [];
  const work = async () => {
    for (let host = waiting.shift(); host !== undefined; host = waiting.shift()) results.push(await readHost(host, options));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  if (results.every(({ problem }) => problem !== undefined)) throw noneReached(results);
  const read = results.flatMap((result) => result.read);
  return {
    files: read.flatMap(({ file }) => (file === undefined ? [] : [{ file, isNamed: false }])),
    troubles: [
      ...results.flatMap(({ name, problem }) => (problem === undefined ? [] : [unreachable(name, problem)])),
      ...read.flatMap((one) => one.troubles),
    ],
    passedOver: 0,
  };
}

interface HostFiles {
  name: string;
  read: ReadText[];
  /** Why nothing could be had of it. */
  problem?: string;
}

async function readHost(host: string, options: readonly string[]): Promise<HostFiles> {
  const name = nameOf(host);
  const { archive, complaints, status } = await pack(host, options);
  // ssh's own failures (ssh(1), "EXIT STATUS").
  if (status === 255) return { name, read: [], problem: complaints.at(-1) ?? 'ssh failed without a word' };
  if (status === undefined) return { name, read: [], problem: 'it took too long, or sent too much' };
  const files = [...readTar(archive)].filter(({ path }) => !isLeftover(path)).map((file) => readTarFile(name, file));
  const missed = complaints.flatMap((line) => missedFile(name, line));
  if (files.length + missed.length > 0) return { name, read: [...files, ...missed] };
  const detail = complaints.at(-1) ?? 'it has none of the files and folders that hale doctor knows';
  return { name, read: [notRead({ path: `${name}:/` }, { kind: 'unreadable', detail })] };
}

function pack(host: string, options: readonly string[]): Promise<{ archive: Buffer; complaints: string[]; status: number | undefined }> {
  const words = [...options, ...SSH_OPTIONS].flatMap((option) => ['-o', option]);
  const child = spawn('ssh', ['-T', ...words, '--', host, 'sh', '-s'], { timeout: DEADLINE_MS, killSignal: 'SIGKILL' });
  const parts: Buffer[] = [];
  let bytes = 0;
  let complaints = '';
  child.stdout.on('data', (part: Buffer) => {
    bytes += part.length;
    if (bytes > ARCHIVE_BYTES_MAX) child.kill('SIGKILL');
    else parts.push(part);
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => (complaints = (complaints + text).slice(-ARCHIVE_BYTES_MAX)));
  // It ends before it has read all where it cannot connect.
  child.stdin.on('error', () => {});
  child.stdin.end(REMOTE_SCRIPT);
  return new Promise((resolve, reject) => {
    child.on('error', (error) => reject(noSsh(error)));
    child.on('close', (status, signal) => {
      const lines = complaints.split('\n').flatMap((line) => (line.trim() === '' ? [] : [printable(line.trim())]));
      resolve({ archive: Buffer.concat(parts), complaints: lines, status: signal === null ? (status ?? undefined) : undefined });
    });
  });
}

function readTarFile(host: string, { path, bytes }: TarFile): ReadText {
  const name = { path: `${host}:/${path.replace(/^\.?\//, '')}`, host };
  if (bytes.length <= FILE_BYTES_MAX) return decode(bytes, name);
  return notRead(name, { kind: 'large', detail: `it has ${Math.round(bytes.length / 2 ** 20)} MiB` });
}

/** What tar or find could not read: `tar: etc/x: Cannot open: Permission denied`, `find: 'etc/x': Permission denied`. */
function missedFile(host: string, line: string): ReadText[] {
  const found = /^(?:tar|find): ['‘]?([^:'’]+)['’]?: (.*)$/.exec(line);
  if (found === null || !found[1]?.includes('/')) return [];
  return [notRead({ path: `${host}:/${found[1].replace(/^\//, '')}`, host }, { kind: 'unreadable', detail: found[2] as string })];
}

/** Without user and port. */
function nameOf(host: string): string {
  return host
    .replace(/^ssh:\/\//, '')
    .replace(/^[^@]*@/, '')
    .replace(/^\[(.*)\](?::\d+)?$|:\d+$/, '$1');
}

const unreachable = (host: string, detail: string): Trouble => ({
  kind: 'unreachable',
  at: topOf({ path: `${host}:/`, text: '' }),
  detail,
});

function noneReached(results: readonly HostFiles[]): HaleError {
  const reasons = results.map(({ name, problem }) => `${name}: ${problem}`).join('; ');
  return new HaleError({
    code: 'ssh_no_host_reached',
    kind: 'world',
    message: `no host could be reached: ${reasons}`,
    remedy: 'try `ssh -o BatchMode=yes HOST true`: it must log in by a key, without a question, to a host whose key is known',
  });
}
