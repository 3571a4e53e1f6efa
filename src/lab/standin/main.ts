import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { HaleError } from '../../base/error.ts';
import { createEtcdClient } from '../../drivers/etcd/client.ts';
import { leave } from '../../drivers/linux/leave.ts';
import { watchEtcdHealth } from './health.ts';
import { startStandIn } from './server.ts';

const USAGE = `node src/lab/standin/main.ts --name NODE --listen ADDR:PORT[,ADDR:PORT] --tls-cert FILE --tls-key FILE [--client-ca FILE]
  --etcd URL[,URL] --etcd-ca FILE --etcd-cert FILE --etcd-key FILE`;

/** A process that has to be gone in 3 s leaves requests that take longer. */
const DRAIN_MS = 2_500;

const required = ['name', 'listen', 'tls-cert', 'tls-key', 'etcd', 'etcd-ca', 'etcd-cert', 'etcd-key'] as const;
type Flags = Record<(typeof required)[number], string> & { 'client-ca'?: string };

function readFlags(): Flags {
  const options = Object.fromEntries([...required, 'client-ca'].map((flag) => [flag, { type: 'string' as const }]));
  try {
    const { values } = parseArgs({ options });
    const missing = required.filter((flag) => values[flag] === undefined);
    if (missing.length > 0) throw new TypeError(`missing ${missing.map((flag) => `--${flag}`).join(', ')}`);
    return values as Flags;
  } catch (cause) {
    throw new HaleError({ code: 'standin_usage', kind: 'usage', message: (cause as Error).message, remedy: USAGE, cause });
  }
}

function parseListen(text: string): { host: string; port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  if (host !== undefined) return { host, port: Number(match?.[3]) };
  throw new HaleError({ code: 'standin_usage', kind: 'usage', message: `--listen ${text} is not ADDR:PORT`, remedy: USAGE });
}

function readFile(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new HaleError({
      code: 'standin_file',
      kind: 'usage',
      message: (cause as Error).message,
      remedy: 'name a file that can be read',
      cause,
    });
  }
}

async function main(): Promise<void> {
  const flags = readFlags();
  const log = (line: string) => console.log(`${new Date().toISOString()} ${flags.name} ${line}`);
  log('stand-in for kube-apiserver, not a real API server: health, version and config maps on etcd');
  const etcd = createEtcdClient({
    endpoints: flags.etcd.split(','),
    tls: { caPem: readFile(flags['etcd-ca']), certPem: readFile(flags['etcd-cert']), keyPem: readFile(flags['etcd-key']) },
  });
  const health = watchEtcdHealth(etcd, (problem) => log(problem === undefined ? 'ready: etcd answers' : `not ready: ${problem}`));
  const clientCaPem = flags['client-ca'] === undefined ? undefined : readFile(flags['client-ca']);
  const standIn = await startStandIn({
    name: flags.name,
    listen: flags.listen.split(',').map(parseListen),
    tls: { certPem: readFile(flags['tls-cert']), keyPem: readFile(flags['tls-key']), clientCaPem },
    etcd,
    health,
  });
  for (const address of standIn.addresses) log(`serving https://${address}`);
  process.once('SIGTERM', () => {
    log('draining');
    setTimeout(() => leave(0), DRAIN_MS);
    void standIn.drain().then(() => leave(0));
  });
}

main().catch((error: unknown) => {
  if (error instanceof HaleError) console.error(`stand-in: ${error.message}${error.remedy === undefined ? '' : `\n${error.remedy}`}`);
  else console.error(error);
  leave(error instanceof HaleError ? error.exitCode : 3);
});
