/**
 * `npm run kubernetes:get [-- kube-vip kwok]`: puts the Kubernetes programs of labs and tests into hale's cache, where that is not done yet: the official release where it
 * can be downloaded, else built from the Go modules by the machine's Go tool chain. What is named besides is built into the same folder.
 */
import { existsSync } from 'node:fs';
import { runOrFail } from '../src/lab/command.ts';
import { CONTROL_PLANE_PROGRAMS, KUBERNETES_VERSION, kubernetesCache, OTHER_PROGRAMS } from '../src/lab/kubernetes/programs.ts';
import { buildKubernetes } from './kubernetes/build.ts';
import { type ExtraName, EXTRAS, getExtra } from './kubernetes/extras.ts';
import { downloadRelease } from './kubernetes/release.ts';
import { fillFolder } from './programs/fill.ts';

const programs = [...CONTROL_PLANE_PROGRAMS, ...OTHER_PROGRAMS];
const say = (line: string): void => void process.stdout.write(`kubernetes: ${line}\n`);

async function main(wanted: readonly string[]): Promise<void> {
  const unknown = wanted.find((name) => !Object.hasOwn(EXTRAS, name));
  if (unknown !== undefined) throw new Error(`${JSON.stringify(unknown)} is none of ${Object.keys(EXTRAS).join(', ')}`);
  await getKubernetes();
  for (const name of wanted) await getExtra(name as ExtraName, { folder: kubernetesCache(), say });
}

async function getKubernetes(): Promise<void> {
  const cache = kubernetesCache();
  if (programs.every((program) => existsSync(`${cache}/${program}`))) return say(`${KUBERNETES_VERSION} is in ${cache}`);
  await fillFolder(cache, async (folder) => {
    const why = await downloadRelease({ version: KUBERNETES_VERSION, programs, folder, say });
    if (why === undefined) return;
    say(`the release cannot be downloaded (${why}); building it from the Go modules`);
    await buildKubernetes({ version: KUBERNETES_VERSION, programs, folder, say });
  });
  say(`${(await runOrFail([`${cache}/kube-apiserver`, '--version'])).trim()} is in ${cache}`);
}

try {
  await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`kubernetes: ${(error as Error).message}\n`);
  if (!existsSync(kubernetesCache())) {
    process.stderr.write('without it the lab runs a stand-in for kube-apiserver, and tests that need it are skipped\n');
  }
  process.exitCode = 3;
}
