/** `npm run s3:get`: puts the S3-compatible server of the tests into hale's cache, where that is not done yet, built by the machine's Go tool chain. */
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { run } from '../src/lab/command.ts';
import { fillFolder } from './programs/fill.ts';
import { runGo } from './programs/go.ts';
import { S3_SERVER, s3ServerProgram } from './programs/s3-server.ts';

const { path, version } = S3_SERVER;
const program = s3ServerProgram();
const say = (line: string): void => void process.stdout.write(`s3: ${line}\n`);

async function get(): Promise<void> {
  if (existsSync(program)) return say(`versitygw ${version} is at ${program}`);
  say(`building versitygw ${version}`);
  await fillFolder(dirname(program), async (part) => {
    await runGo(['install', '-trimpath', '-ldflags', `-s -w -X main.Version=${version}`, `${path}@${version}`], {
      env: { GOBIN: part, GOTMPDIR: part },
    });
    const { stdout } = await run([`${part}/versitygw`, '--version']);
    if (!stdout.includes(version)) throw new Error(`it was built, but does not call itself ${version}: ${stdout}`);
  });
  say(`versitygw ${version} is at ${program}`);
}

try {
  await get();
} catch (error) {
  process.stderr.write(`s3: ${(error as Error).message}\ns3: without it, tests that need an S3-compatible server are skipped\n`);
  process.exitCode = 3;
}
