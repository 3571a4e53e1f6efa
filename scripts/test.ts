/** `npm test`: all test projects, one after the other, so that labs do not compete with the simulator for the cores. */
import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { packageFolder } from '../src/drivers/program.ts';
import { labsFolder } from '../src/lab/folder.ts';
import { canRunLab } from '../src/lab/privileges.ts';

const projects = ['unit', 'sim', 'etcd', 'nodes', 'contract', 'interop', 'e2e'];
const wanted = process.argv.slice(2);

const capability = await canRunLab();
if (!capability.ok) process.stdout.write(`${capability.reason} Tests that need it are skipped.\n`);
// An ordinary user is root in namespaces of its own, where `ip netns` can keep its files and loopback is up.
const PREPARE = 'mount -t tmpfs tmpfs /run && ip link set lo up && exec "$@"';
const userNamespace = capability.ok && capability.how === 'user-namespace';
const wrapper = userNamespace ? ['unshare', '--user', '--map-root-user', '--mount', '--net', 'sh', '-c', PREPARE, 'sh'] : [];

/** What vitest's JSON reporter writes, as far as it is read here. */
interface Results {
  testResults: { name: string; message: string; assertionResults: { status: string; fullName: string; failureMessages: string[] }[] }[];
}

const resultsOf = (project: string): string => join(packageFolder, `build/tests/${project}.json`);
const failed = (wanted.length > 0 ? wanted : projects).filter((project) => {
  process.stdout.write(`\n== ${project} ==\n`);
  rmSync(resultsOf(project), { force: true });
  const reporters = ['--reporter=default', '--reporter=json', `--outputFile.json=${resultsOf(project)}`];
  const [program = 'vitest', ...args] = [...wrapper, 'vitest', 'run', '--project', project, ...reporters];
  const env = { ...process.env, HALE_LAB_DIR: labsFolder(), PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };
  return spawnSync(program, args, { stdio: 'inherit', env }).status !== 0;
});
// Said once more at the end of a long output, of which often only the end is kept.
for (const project of failed) process.stdout.write(`\nfailed in ${project}:\n${failures(resultsOf(project))}`);
if (failed.length > 0) process.stdout.write(`\nfailed: ${failed.join(', ')}\n`);
process.exitCode = failed.length === 0 ? 0 : 1;

/** Each failed test, or file without tests, and the first lines of why. */
function failures(file: string): string {
  let results: Results;
  try {
    results = JSON.parse(readFileSync(file, 'utf8')) as Results;
  } catch (error) {
    return `  no results: ${(error as Error).message}\n`;
  }
  const told = results.testResults.flatMap(({ name, message, assertionResults }) => {
    if (assertionResults.length === 0 && message !== '') return { what: name, why: message };
    const broken = assertionResults.filter(({ status }) => status === 'failed');
    return broken.map(({ fullName, failureMessages }) => ({ what: fullName, why: failureMessages.join('\n') }));
  });
  if (told.length === 0) return '  no test: an error outside of tests; see above\n';
  return told.map(({ what, why }) => `  ${what}\n${firstLines(why)}`).join('');
}

function firstLines(text: string): string {
  const lines = text.split('\n').slice(0, 6);
  return lines.map((line) => `    ${line}\n`).join('');
}
