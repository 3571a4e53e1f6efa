import type { Argument, Command, Option } from 'commander';
import { EXIT_FINDING, EXIT_USAGE, EXIT_WORLD } from '../src/base/error.ts';
import { allCommands } from '../src/cli/main.ts';
import { cell, codeCell } from './markdown.ts';

/** The page docs/reference/cli.md, made from the commands themselves. */
export function renderCli(program: Command): string {
  return `<!-- Made by scripts/reference.ts from src/cli/. Change the command there and run the script. -->

# Commands

\`./hale\` at the root of a checkout runs the program. Every command answers \`--help\`. Results go to stdout, progress and errors to stderr.

| Exit code | Meaning |
| --- | --- |
| 0 | good |
| ${EXIT_FINDING} | a finding or a failed verdict; of \`hale status\`: nobody holds the address, a member is silent, an API server or etcd is not ready or has no leader, a certificate has ended or ends soon, each named at its end and in \`findings\` of \`--json\`; on a node: connections are left to the address |
| ${EXIT_USAGE} | wrong use or bad input |
| ${EXIT_WORLD} | something outside could not be reached or refused; of \`hale status\`: no agent answers on this host; with \`--deep\`: no API server does |
| 70 | a bug of hale |

What each error means: [errors.md](errors.md).

${allCommands(program).map(section).join('\n')}`;
}

function section(command: Command): string {
  const name = fullName(command);
  const parts = [`## ${name}\n`, `${sentence(command.description())}\n`, `\`\`\`text\n${name} ${command.usage()}\n\`\`\`\n`];
  if (command.registeredArguments.length > 0) {
    const rows = command.registeredArguments.map((argument) => row(argumentText(argument), argument));
    parts.push(`| Argument | Default | Meaning |\n| --- | --- | --- |\n${rows.join('')}`);
  }
  const options = command.options.filter(({ hidden }) => !hidden);
  if (options.length > 0) {
    const rows = options.map((option) => row(option.flags, option));
    parts.push(`| Option | Default | Meaning |\n| --- | --- | --- |\n${rows.join('')}`);
  }
  if (command.commands.length > 0) {
    const rows = command.commands.map(
      (sub) => `| [${fullName(sub)}](#${fullName(sub).replaceAll(' ', '-')}) | ${cell(sub.description())} |\n`,
    );
    parts.push(`| Command | What it does |\n| --- | --- |\n${rows.join('')}`);
  }
  return parts.join('\n');
}

function row(name: string, { defaultValue, description, argChoices }: Argument | Option): string {
  const choices = argChoices === undefined ? '' : `: ${argChoices.map(codeCell).join(', ')}`;
  return `| ${codeCell(name)} | ${defaultValue === undefined ? '' : codeCell(String(defaultValue))} | ${cell(description)}${choices} |\n`;
}

function argumentText(argument: Argument): string {
  const name = `${argument.name()}${argument.variadic ? '...' : ''}`;
  return argument.required ? `<${name}>` : `[${name}]`;
}

function fullName(command: Command): string {
  return command.parent === null ? command.name() : `${fullName(command.parent)} ${command.name()}`;
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
