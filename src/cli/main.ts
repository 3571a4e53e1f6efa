import { Command, CommanderError } from 'commander';
import { EXIT_USAGE, HaleError } from '../base/error.ts';
import { leave } from './leave.ts';
import { readVersion } from './version.ts';

/** Exit code of a bug: neither good, nor a finding, nor anything the user can mend. */
const EXIT_BUG = 70;

/** Loaded when asked for: an agent must not carry the memory of the lab. */
const commands: Record<string, (only?: string) => Promise<Command>> = {
  agent: async () => (await import('./agent.ts')).agentCommand(),
  status: async () => (await import('./status.ts')).statusCommand(),
  datapath: async () => (await import('./datapath.ts')).datapathCommand(),
  vrrp: async () => (await import('./vrrp.ts')).vrrpCommand(),
  bgp: async () => (await import('./bgp.ts')).bgpCommand(),
  init: async () => (await import('./init.ts')).initCommand(),
  validate: async () => (await import('./validate.ts')).validateCommand(),
  etcd: async (only) => await (await import('./etcd/etcd.ts')).etcdCommand(only),
  heal: async (only) => await (await import('./heal/heal.ts')).healCommand(only),
  node: async (only) => await (await import('./node/node.ts')).nodeCommand(only),
  certificates: async () => (await import('./certificates.ts')).certificatesCommand(),
  schema: async () => (await import('./schema.ts')).schemaCommand(),
  render: async () => (await import('./render.ts')).renderCommand(),
  import: async () => (await import('./import.ts')).importCommand(),
  doctor: async () => (await import('./doctor.ts')).doctorCommand(),
  lab: async () => (await import('./lab.ts')).labCommand(),
  drill: async () => (await import('./drill.ts')).drillCommand(),
  demo: async () => (await import('./demo.ts')).demoCommand(),
  sim: async () => (await import('./sim.ts')).simCommand(),
};

/** The program with the command called `only`, of a group with the one called `sub`; or with all of them. */
export async function createProgram(only?: string, sub?: string): Promise<Command> {
  const program = new Command('hale')
    .description('keeps the Kubernetes API reachable at one address while control-plane nodes fail, and proves it')
    .version(readVersion())
    .enablePositionalOptions();
  for (const load of loadersFor(only)) program.addCommand(await load(sub));
  for (const command of allCommands(program)) command.exitOverride().showHelpAfterError('see --help');
  return program;
}

function loadersFor(only: string | undefined): (typeof commands)[string][] {
  if (only === '--version' || only === '-V') return [];
  const wanted = only === undefined ? undefined : commands[only];
  return wanted === undefined ? Object.values(commands) : [wanted];
}

export function allCommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap((sub) => allCommands(sub))];
}

/** Runs one command line; errors for people go to stderr, and the exit code says what kind they are. */
async function main(): Promise<void> {
  // `hale sim | head`: whoever read has seen enough.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    void leave(Number(process.exitCode ?? 0));
  });
  try {
    await (await createProgram(process.argv[2], process.argv[3])).parseAsync();
  } catch (error) {
    if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : EXIT_USAGE;
    else if (error instanceof HaleError) {
      process.stderr.write(`hale: ${error.message} [${error.code}]\n${error.remedy === undefined ? '' : `  ${error.remedy}\n`}`);
      process.exitCode = error.exitCode;
    } else {
      process.stderr.write(`hale: this is a bug: ${(error as Error).stack ?? String(error)}\n`);
      process.exitCode = EXIT_BUG;
    }
    // A daemon that could not start still has sockets open.
    if (process.exitCode !== 0) await leave(process.exitCode);
  }
}

if (import.meta.main) await main();
