import { createInterface } from 'node:readline/promises';
import { Command } from 'commander';
import { EXIT_FINDING, HaleError } from '../base/error.ts';
import { composeDescription } from '../core/cluster/compose.ts';
import { enumerate, formatProblem, type Problem } from '../core/cluster/problems.ts';
import { readCluster } from '../core/cluster/read.ts';
import { withValue } from '../core/init/answers.ts';
import { type Answers, type Question, questions } from '../core/init/questions.ts';
import { writeNewFile } from './write-new-file.ts';

/** Shows a prompt and reads one line. */
type Answer = (prompt: string) => Promise<string>;

interface InitOptions {
  yes?: true;
  force?: true;
  /** Answers, by the flags of the questions in camel case. */
  [flag: string]: unknown;
}

/** `hale init`: questions, or flags, to a commented cluster.yaml. */
export function initCommand(): Command {
  const command = new Command('init')
    .description('make a commented cluster.yaml: asks on a terminal what no option says')
    .argument('[file]', 'where to write it', 'cluster.yaml');
  for (const question of questions) command.option(`--${question.flag} <${question.placeholder}>`, helpText(question));
  return command
    .option('--yes', 'ask nothing: what no option says has its default')
    .option('--force', 'overwrite a file that is there')
    .action(async (file: string, options: InitOptions) => {
      const given = givenTexts(options);
      const asks = process.stdin.isTTY && !options.yes;
      const answers = asks ? await askAll(given) : takeAll(given);
      const text = composeDescription({ apiVersion: 'hale.dev/v1alpha1', kind: 'Cluster', ...answers });
      writeNewFile(file, { text, force: options.force });
      const read = readCluster(text, file);
      process.stdout.write(read.ok ? `${file} was written.\n${next(file)}` : unfinished(file, read.problems));
      if (!read.ok) process.exitCode = EXIT_FINDING;
    });
}

function helpText({ ask, choices }: Question): string {
  return choices === undefined ? lowerFirst(ask) : `${lowerFirst(ask)}: ${enumerate(choices, 'or')}`;
}

/** What options say, by flag. */
function givenTexts(options: InitOptions): ReadonlyMap<string, string> {
  const entries = questions.flatMap(({ flag }) => {
    const text = options[flag.replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase())];
    return typeof text === 'string' ? [[flag, text] as const] : [];
  });
  return new Map(entries);
}

/** From options and defaults alone. All that is missing or wrong is told at once. */
function takeAll(given: ReadonlyMap<string, string>): Answers {
  let answers: Answers = {};
  const faults: string[] = [];
  for (const question of questions) {
    const text = given.get(question.flag);
    if (!question.isAsked(answers)) {
      if (text !== undefined) faults.push(`--${question.flag} ${text}: does not go with the other options`);
      continue;
    }
    const taken = text ?? question.preset(answers);
    if (taken === undefined) faults.push(`--${question.flag} is missing: ${lowerFirst(question.ask)}`);
    else answers = noted(question, taken, { answers, faults });
  }
  if (faults.length === 0) return answers;
  throw new HaleError({
    code: 'init_answers',
    kind: 'usage',
    message: `nothing was written:\n${faults.map((fault) => `  ${fault}`).join('\n')}`,
    remedy: 'add or correct these options, or run hale init on a terminal, which asks',
  });
}

/** An empty text leaves the key out. */
function noted(question: Question, text: string, { answers, faults }: { answers: Answers; faults: string[] }): Answers {
  if (text === '') return answers;
  const parsed = question.parse(text);
  if (parsed.ok) return withValue(answers, question.path, parsed.value);
  faults.push(`--${question.flag} ${JSON.stringify(text)}: write ${parsed.expects}`);
  return answers;
}

async function askAll(given: ReadonlyMap<string, string>): Promise<Answers> {
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  // Not `question()`, which loses lines that are pasted before it is called.
  const lines = terminal[Symbol.asyncIterator]();
  const answer = async (prompt: string): Promise<string> => {
    terminal.setPrompt(prompt);
    terminal.prompt();
    const line = await lines.next();
    if (line.done) throw abandoned();
    return line.value;
  };
  try {
    return await dialogue(answer, given);
  } finally {
    terminal.close();
  }
}

async function dialogue(answer: Answer, given: ReadonlyMap<string, string>): Promise<Answers> {
  let answers: Answers = {};
  for (const question of questions) {
    if (!question.isAsked(answers)) continue;
    const text = given.get(question.flag);
    const parsed = text === undefined ? undefined : question.parse(text);
    if (parsed?.ok) answers = withValue(answers, question.path, parsed.value);
    else answers = await askOne(answer, question, answers);
  }
  return answers;
}

/** Until the answer is one. */
async function askOne(answer: Answer, question: Question, answers: Answers): Promise<Answers> {
  const preset = question.preset(answers);
  if (question.about !== undefined) process.stdout.write(`\n${question.about}\n`);
  const shown = preset === undefined ? '' : preset === '' ? ' [none]' : ` [${preset}]`;
  for (;;) {
    const text = (await answer(`${question.ask}${shown}: `)).trim() || preset;
    if (text === '') return answers;
    const parsed = text === undefined ? ({ ok: false, expects: 'something: this has no default' } as const) : question.parse(text);
    if (parsed.ok) return withValue(answers, question.path, parsed.value);
    process.stdout.write(`  Write ${parsed.expects}.\n`);
  }
}

function abandoned(): HaleError {
  return new HaleError({
    code: 'init_abandoned',
    kind: 'usage',
    message: 'the questions were not answered to the end, and nothing was written',
  });
}

function next(file: string): string {
  return `Look at it, then: hale sim survive ${file}, hale render ${file} --out files\n`;
}

function unfinished(file: string, problems: readonly Problem[]): string {
  return `${file} was written, but needs changes:\n${problems.map((problem) => `${formatProblem(problem)}\n`).join('')}`;
}

const lowerFirst = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1);
