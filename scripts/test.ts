/** `npm test`: all test projects, one after the other, so that labs do not compete with the simulator for the cores. */
import { spawnSync } from 'node:child_process';
import { labsFolder } from '../src/lab/folder.ts';
import { canRunLab } from '../src/lab/privileges.ts';

const projects = ['unit', 'sim', 'contract', 'e2e'];
const wanted = process.argv.slice(2);

const capability = await canRunLab();
if (!capability.ok) process.stdout.write(`${capability.reason} Tests that need it are skipped.\n`);
// An ordinary user is root in namespaces of its own, where `ip netns` can keep its files and loopback is up.
const PREPARE = 'mount -t tmpfs tmpfs /run && ip link set lo up && exec "$@"';
const userNamespace = capability.ok && capability.how === 'user-namespace';
const wrapper = userNamespace ? ['unshare', '--user', '--map-root-user', '--mount', '--net', 'sh', '-c', PREPARE, 'sh'] : [];

const failed = (wanted.length > 0 ? wanted : projects).filter((project) => {
  process.stdout.write(`\n== ${project} ==\n`);
  const [program = 'vitest', ...args] = [...wrapper, 'vitest', 'run', '--project', project];
  const env = { ...process.env, HALE_LAB_DIR: labsFolder(), PATH: `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin` };
  return spawnSync(program, args, { stdio: 'inherit', env }).status !== 0;
});
if (failed.length > 0) process.stdout.write(`\nfailed: ${failed.join(', ')}\n`);
process.exitCode = failed.length === 0 ? 0 : 1;
