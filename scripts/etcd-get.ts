/**
 * `npm run etcd:get [-- 3.6]`: puts etcd, etcdctl and etcdutl of each release line that labs and tests know (or of those named) into hale's cache, where
 * that is not done yet, built from the Go modules by the machine's Go tool chain. Ends with 3 when a line that was wanted could not be had.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../src/lab/command.ts';
import { ETCD_PROGRAMS, ETCD_VERSIONS, type EtcdBuiltLine, etcdCache, etcdVersion } from '../src/lab/etcd-programs.ts';
import { fillFolder } from './programs/fill.ts';
import { runGo } from './programs/go.ts';

/** Main packages of etcd; each is a module of its own. */
const PACKAGES = { etcd: 'server', etcdctl: 'etcdctl', etcdutl: 'etcdutl' } as const;

const say = (line: string): void => void process.stdout.write(`etcd: ${line}\n`);

async function getLine(line: EtcdBuiltLine): Promise<void> {
  const [cache, version] = [etcdCache(line), ETCD_VERSIONS[line]];
  if (ETCD_PROGRAMS.every((program) => existsSync(join(cache, program)))) return say(`${version} is in ${cache}`);
  const startedAt = performance.now();
  say(`building ${version} from the Go modules`);
  await fillFolder(cache, async (part) => {
    for (const program of ETCD_PROGRAMS) await build(line, { program, part });
    await checkVersion(part, version);
  });
  say(`${version} is in ${cache}; it took ${Math.round((performance.now() - startedAt) / 1000)} s`);
}

async function build(line: EtcdBuiltLine, { program, part }: { program: keyof typeof PACKAGES; part: string }): Promise<void> {
  const argv = ['build', '-trimpath', '-ldflags', '-s -w', '-o', join(part, program), `go.etcd.io/etcd/${PACKAGES[program]}/v3`];
  // Its work folder too, so that a build that is killed leaves nothing elsewhere.
  await runGo(argv, { cwd: join(import.meta.dirname, '../test/etcd', line), env: { GOTMPDIR: part } });
}

/** Upgrades and the cluster's version go by what a program calls itself. */
async function checkVersion(folder: string, version: string): Promise<void> {
  const wanted = version.slice(1);
  const said = await etcdVersion(join(folder, 'etcd'));
  if (said !== wanted) throw new Error(`etcd was built, but calls itself ${said}, not ${wanted}`);
  for (const program of ['etcdctl', 'etcdutl']) {
    const { stdout } = await run([join(folder, program), 'version']);
    if (!stdout.includes(`${program} version: ${wanted}`))
      throw new Error(`${program} was built, but does not call itself ${wanted}: ${stdout}`);
  }
}

const lines = Object.keys(ETCD_VERSIONS) as EtcdBuiltLine[];
const named = process.argv.slice(2);
const unknown = named.find((line) => !Object.hasOwn(ETCD_VERSIONS, line));
if (unknown === undefined) {
  for (const line of named.length === 0 ? lines : (named as EtcdBuiltLine[])) {
    try {
      await getLine(line);
    } catch (error) {
      process.stderr.write(`etcd: ${(error as Error).message}\netcd: no ${ETCD_VERSIONS[line]}: tests that need it are skipped\n`);
      process.exitCode = 3;
    }
  }
} else {
  process.stderr.write(`etcd: ${JSON.stringify(unknown)} is none of ${lines.join(', ')}\n`);
  process.exitCode = 2;
}
