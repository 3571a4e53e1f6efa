/** `npm test`: all test projects, one after the other, so that labs do not compete with the simulator for the cores. */
import { spawnSync } from 'node:child_process';

const projects = ['unit', 'sim', 'contract', 'e2e'];
const wanted = process.argv.slice(2);
const failed = (wanted.length > 0 ? wanted : projects).filter((project) => {
  process.stdout.write(`\n== ${project} ==\n`);
  return spawnSync('vitest', ['run', '--project', project], { stdio: 'inherit' }).status !== 0;
});
if (failed.length > 0) process.stdout.write(`\nfailed: ${failed.join(', ')}\n`);
process.exitCode = failed.length === 0 ? 0 : 1;
