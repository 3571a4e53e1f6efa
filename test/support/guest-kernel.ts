/**
 * Runs a Node script as root in a kernel of its own, for what the kernel of this machine lacks: Debian's cloud kernel in qemu, emulated, so that
 * neither root nor /dev/kvm is needed. Its root file system is in memory and holds Node, the sources and a few programs; it has no network.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { type ArchivedFile, cpio } from './cpio.ts';

const repository = resolve(import.meta.dirname, '../..');
/** Where scripts/guest-kernel.sh unpacks the kernel's package. */
const kernelFolder = join(repository, 'node_modules/.guest-kernel');
const QEMU = 'qemu-system-x86_64';
const MEMORY_MIB = 1024;
const PROGRAMS = ['perl', 'ip', 'nft', 'sh'];
const WORDS_KEPT = 8000;

export interface GuestRun {
  /** TypeScript or JavaScript below `src` or `test`. */
  script: string;
  parameters?: readonly string[];
  /** Kernel modules by name, inserted in this order, each with those it needs. */
  modules: readonly string[];
  timeoutMs: number;
}

export interface GuestResult {
  /** Null when the kernel ended, or was ended, before the script did. */
  exitCode: number | null;
  /** What the script printed on both channels, among it what the kernel had to say. */
  output: string;
}

/** Why no guest kernel can run here, for the title of a skipped suite; undefined when one can. */
export function guestKernelProblem(): string | undefined {
  if (process.arch !== 'x64') return 'the guest kernel is one for x86-64';
  const missing = [QEMU, ...PROGRAMS].filter((name) => findProgram(name) === undefined);
  if (findKernel() === undefined) missing.push('a kernel');
  return missing.length > 0 ? `${missing.join(', ')} missing; scripts/guest-kernel.sh fetches qemu and the kernel` : undefined;
}

/** Throws when there is no guest kernel. */
export async function runInGuest({ script, parameters = [], modules, timeoutMs }: GuestRun): Promise<GuestResult> {
  const kernel = findKernel();
  if (kernel === undefined) throw new Error(guestKernelProblem());
  const inserted = moduleFiles(kernel.modules, modules);
  const command = [realpathSync(process.execPath), resolve(script), ...parameters];
  const init = {
    path: '/init',
    content: Buffer.from(initScript({ modules: inserted.map((file) => file.path), command })),
    executable: true,
  };
  removeOrphans();
  const folder = mkdtempSync(join(tmpdir(), `hale-guest-${process.pid}-`));
  const archive = join(folder, 'initrd');
  const [output, exitCode] = [join(folder, 'output'), join(folder, 'exit-code')];
  try {
    writeFileSync(archive, cpio([init, ...inserted, ...hostFiles()], ['/proc', '/sys', '/dev', '/run', '/tmp']));
    await runQemu(['-kernel', kernel.image, '-initrd', archive, '-serial', `file:${output}`, '-serial', `file:${exitCode}`], timeoutMs);
    const code = readFileSync(exitCode, 'utf8').trim();
    return { exitCode: code === '' ? null : Number(code), output: readFileSync(output, 'utf8').replaceAll('\r\n', '\n') };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Folders of test processes that were killed before they could clean up. */
function removeOrphans(): void {
  for (const name of readdirSync(tmpdir())) {
    const owner = /^hale-guest-(\d+)-/.exec(name)?.[1];
    if (owner !== undefined && !existsSync(`/proc/${owner}`)) rmSync(join(tmpdir(), name), { recursive: true, force: true });
  }
}

async function runQemu(parameters: readonly string[], timeoutMs: number): Promise<void> {
  const machine = ['-accel', 'tcg', '-cpu', 'max', '-m', String(MEMORY_MIB)];
  const devices = ['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'];
  // On a busy machine the emulated timer is late, and the kernel would take it for one that is not connected.
  const append = ['-append', 'console=ttyS0 quiet panic=-1 no_timer_check'];
  const child = spawn(QEMU, [...machine, ...devices, ...append, ...parameters], { stdio: ['ignore', 'ignore', 'pipe'] });
  const end = () => void child.kill('SIGKILL');
  process.once('exit', end);
  const timer = setTimeout(end, timeoutMs);
  try {
    const refusal = await lastWords(child);
    if (refusal !== '') throw new Error(`${QEMU}: ${refusal}`);
  } finally {
    clearTimeout(timer);
    process.off('exit', end);
    end();
  }
}

async function lastWords(child: ChildProcess): Promise<string> {
  let words = '';
  child.stderr?.on('data', (bytes: Buffer) => (words = (words + bytes.toString()).slice(-WORDS_KEPT)));
  const [code] = (await once(child, 'close')) as [number | null];
  return code === 0 || code === null ? '' : words || `ended with ${code}`;
}

/** Perl because every Debian has it and it can do system calls: this machine need not have programs for modules and power. Numbers are those of x86-64. */
function initScript({ modules, command }: { modules: readonly string[]; command: readonly string[] }): string {
  const list = (words: readonly string[]) => words.map((word) => `'${word.replaceAll(/[\\']/g, String.raw`\$&`)}'`).join(', ');
  return `#!${findProgram('perl')}
$ENV{PATH} = '/usr/sbin:/usr/bin:/sbin:/bin';
$ENV{HOME} = $ENV{TMPDIR} = '/tmp';
for (['proc', '/proc'], ['sysfs', '/sys'], ['devtmpfs', '/dev'], ['tmpfs', '/run']) {
  my ($type, $place) = @$_;
  syscall(165, $type, $place, $type, 0, 0) == 0 or print "mount $place: $!\\n";
}
for my $file (${list(modules)}) {
  open(my $in, '<', $file) or print "$file: $!\\n";
  my $parameters = '';
  syscall(313, fileno($in), $parameters, 0) == 0 or print "$file: $!\\n";
}
system('ip', 'link', 'set', 'lo', 'up');
chdir '/tmp';
system(${list(command)});
my $code = $? & 127 ? 128 + ($? & 127) : $? >> 8;
open(my $out, '>', '/dev/ttyS1');
print $out "$code\\n";
close($out);
syscall(169, 0xfee1dead, 672274793, 0x4321fedc, 0);
`;
}

/** Node, the programs, the libraries they are linked with, and what a script of this repository may import. */
function hostFiles(): ArchivedFile[] {
  const programs = PROGRAMS.map((name) => findProgram(name) as string);
  const koffi = ['node_modules/koffi', 'node_modules/@koromix'].map((path) => join(repository, path));
  const sources = ['src', 'test/support', 'test/contract'].map((path) => join(repository, path));
  const trees = [...sources, ...koffi].flatMap(filesBelow);
  const binaries = [...programs, realpathSync(process.execPath)];
  const paths = new Set([...binaries, ...binaries.flatMap(librariesOf), ...trees, join(repository, 'package.json')]);
  return [...paths].map((path) => archived(path));
}

function archived(path: string): ArchivedFile {
  return { path, content: readFileSync(path), executable: (statSync(path).mode & 0o100) !== 0 };
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((found) => found.isFile() && !/\.(?:md|h|cc|cmake)$/.test(found.name))
    .map((found) => join(found.parentPath, found.name));
}

function librariesOf(program: string): string[] {
  const listed = execFileSync('ldd', [program], { encoding: 'utf8' });
  return [...listed.matchAll(/(?<path>\/\S+) \(0x/g)].map((match) => match.groups?.['path'] as string);
}

function findProgram(name: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/bin', '/sbin', '/bin'];
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

function findKernel(): { image: string; modules: string } | undefined {
  const [boot, lib] = [join(kernelFolder, 'boot'), join(kernelFolder, 'lib/modules')];
  if (!existsSync(boot) || !existsSync(lib)) return undefined;
  const image = readdirSync(boot).find((name) => name.startsWith('vmlinuz-'));
  return image === undefined ? undefined : { image: join(boot, image), modules: join(lib, image.slice('vmlinuz-'.length)) };
}

/** The modules and what they need, in the order in which they can be inserted. */
function moduleFiles(folder: string, names: readonly string[]): ArchivedFile[] {
  const paths = new Map(filesBelow(folder).map((path) => [moduleName(path), path]));
  const found = new Map<string, ArchivedFile>();
  const add = (name: string): void => {
    if (found.has(name)) return;
    const path = paths.get(name);
    if (path === undefined) throw new Error(`the guest kernel has no module ${name}`);
    const file = archived(path);
    for (const needed of neededBy(file.content)) add(needed);
    found.set(name, file);
  };
  for (const name of names) add(name);
  return [...found.values()];
}

/** Every module says in its section .modinfo what it needs (include/linux/module.h). */
function neededBy(module: Uint8Array): string[] {
  const text = Buffer.from(module).toString('latin1');
  const start = text.indexOf('\0depends=') + '\0depends='.length;
  return text
    .slice(start, text.indexOf('\0', start))
    .split(',')
    .filter((name) => name !== '')
    .map(moduleName);
}

function moduleName(path: string): string {
  return (path.split('/').at(-1) as string).replace(/\.ko$/, '').replaceAll('-', '_');
}
