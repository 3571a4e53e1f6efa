import { Command, CommanderError } from 'commander';
import { EXIT_USAGE, HaleError } from '../base/error.ts';
import { agentCommand } from './agent.ts';
import { demoCommand } from './demo.ts';
import { drillCommand } from './drill.ts';
import { labCommand } from './lab.ts';
import { schemaCommand } from './schema.ts';
import { simCommand } from './sim.ts';
import { statusCommand } from './status.ts';
import { validateCommand } from './validate.ts';
import { readVersion } from './version.ts';

/** Exit code of a bug: neither good, nor a finding, nor anything the user can mend. */
const EXIT_BUG = 70;

export function createProgram(): Command {
  const program = new Command('hale')
    .description('keeps the Kubernetes API reachable at one address while control-plane nodes fail, and proves it')
    .version(readVersion())
    .enablePositionalOptions();
  const commands = [agentCommand, statusCommand, validateCommand, schemaCommand, labCommand, drillCommand, demoCommand, simCommand];
  for (const command of commands) program.addCommand(command());
  for (const command of allCommands(program)) command.exitOverride().showHelpAfterError('see --help');
  return program;
}

export function allCommands(command: Command): Command[] {
  return [command, ...command.commands.flatMap((sub) => allCommands(sub))];
}

/** Runs one command line; errors for people go to stderr, and the exit code says what kind they are. */
async function main(): Promise<void> {
  try {
    await createProgram().parseAsync();
  } catch (error) {
    if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : EXIT_USAGE;
    else if (error instanceof HaleError) {
      process.stderr.write(`hale: ${error.message}\n${error.remedy === undefined ? '' : `  ${error.remedy}\n`}`);
      process.exitCode = error.exitCode;
    } else {
      process.stderr.write(`hale: this is a bug: ${(error as Error).stack ?? String(error)}\n`);
      process.exitCode = EXIT_BUG;
    }
    // A daemon that could not start still has sockets open.
    if (process.exitCode !== 0) process.exit();
  }
}

if (import.meta.main) await main();
