/** `npm run redfish:get`: puts the Redfish emulator of the tests into hale's cache, where that is not done yet, by pip. */
import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fillFolder } from './programs/fill.ts';
import { runPython } from './programs/python.ts';
import { REDFISH_EMULATOR, redfishEmulatorFolder } from './programs/redfish-emulator.ts';

const { package: name, version, module } = REDFISH_EMULATOR;
const folder = redfishEmulatorFolder();
const say = (line: string): void => void process.stdout.write(`redfish: ${line}\n`);

async function get(): Promise<void> {
  if (existsSync(folder)) return say(`${name} ${version} is in ${folder}`);
  say(`installing ${name} ${version}`);
  await fillFolder(dirname(folder), async (part) => {
    const target = join(part, basename(folder));
    await runPython(['-m', 'pip', 'install', '--quiet', '--no-input', '--target', target, `${name}==${version}`]);
    await runPython(['-c', `import ${module}`], { PYTHONPATH: target });
  });
  say(`${name} ${version} is in ${folder}`);
}

try {
  await get();
} catch (error) {
  process.stderr.write(`redfish: ${(error as Error).message}\nredfish: without it, tests that need a Redfish service are skipped\n`);
  process.exitCode = 3;
}
