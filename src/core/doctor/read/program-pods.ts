import type { Span } from '../text-file.ts';
import type { Word } from './arguments.ts';
import { partOf } from './arguments.ts';
import type { Flag, Program } from './program.ts';
import { type CommandLine, commandLine, imageName, knownProgram, lineOf } from './program-names.ts';
import { readScript } from './script.ts';
import { listAt, type Path, textAt, valueAt, type YamlDocument } from './yaml.ts';

const POD_SPECS: Readonly<Record<string, Path>> = {
  Pod: ['spec'],
  DaemonSet: ['spec', 'template', 'spec'],
  Deployment: ['spec', 'template', 'spec'],
  StatefulSet: ['spec', 'template', 'spec'],
  ReplicaSet: ['spec', 'template', 'spec'],
  Job: ['spec', 'template', 'spec'],
  CronJob: ['spec', 'jobTemplate', 'spec', 'template', 'spec'],
};

/** Where the specification of its Pods stands in an object; undefined for an object without. */
export function podSpecPath({ apiVersion, kind }: YamlDocument): Path | undefined {
  const path = POD_SPECS[kind];
  return path !== undefined && /^(?:v1|apps\/|batch\/|extensions\/)/.test(apiVersion) ? path : undefined;
}

/** Every container of an object's Pods, as a program. */
export function podPrograms(document: YamlDocument): Program[] {
  const spec = podSpecPath(document);
  if (spec === undefined) return [];
  return ['initContainers', 'containers'].flatMap((list) =>
    listAt(document.value, [...spec, list]).flatMap((_, i) => {
      const program = containerProgram(document, [...spec, list, i]);
      return program === undefined ? [] : [program];
    }),
  );
}

function containerProgram(document: YamlDocument, path: Path): Program | undefined {
  const image = textAt(document.value, [...path, 'image']);
  const command = wordsAt(document, [...path, 'command']);
  const args = wordsAt(document, [...path, 'args']);
  const line = lineOfContainer({ command, args, image, at: document.span([...path, 'name']) });
  if (line === undefined) return undefined;
  const env = environment(document, [...path, 'env']);
  const isElsewhere = listAt(document.value, [...path, 'env']).some((one) =>
    ['configMapKeyRef', 'secretKeyRef'].some((key) => valueAt(one, ['valueFrom', key]) !== undefined),
  );
  const isWhole = line.isWhole && !isElsewhere && valueAt(document.value, [...path, 'envFrom']) === undefined;
  return {
    name: line.name,
    origin: 'pod',
    complete: isWhole,
    flags: [...line.flags, ...(line.name === 'etcd' ? env.flatMap(etcdVariable) : [])],
    words: line.words,
    env,
    image: image === undefined ? undefined : { text: image, span: document.span([...path, 'image']) },
    file: document.file,
    at: line.at,
    document,
  };
}

interface ContainerLine {
  command: readonly Word[];
  args: readonly Word[];
  image: string | undefined;
  at: Span;
}

function lineOfContainer({ command, args, image, at }: ContainerLine): CommandLine | undefined {
  const words = [...command, ...args];
  const script = shellText(words);
  if (script !== undefined) return shellLine(script);
  const [first] = command;
  const named = commandLine(words.slice(0, 3));
  if (first !== undefined && named !== undefined) return commandLine(words);
  if (first !== undefined) return lineOf(first.text.replace(/^.*\//, ''), { at: first.span, rest: words.slice(1) });
  if (image === undefined) return undefined;
  // The image's own entry point runs; some call it by name again.
  const rest = args[0] !== undefined && knownProgram(args[0].text) !== undefined ? args.slice(1) : args;
  return lineOf(imageName(image), { at, rest });
}

/** What follows `sh -c`. */
function shellText(words: readonly Word[]): Word | undefined {
  const [shell, option, text] = words;
  return /(?:^|\/)(?:ba|da|a)?sh$/.test(shell?.text ?? '') && /^-[a-z]*c$/.test(option?.text ?? '') ? text : undefined;
}

function shellLine({ text, span }: Word): CommandLine | undefined {
  const { commands } = readScript({ path: span.file.path, text }).script;
  for (const { words, spans } of commands) {
    const line = commandLine(
      words.map((word, i) => {
        const { start, end } = spans[i] as Span;
        return { text: word, span: partOf(span, { text, start, end }) };
      }),
    );
    if (line !== undefined) return line;
  }
  return undefined;
}

/** A list of text in the document, as words. */
function wordsAt(document: YamlDocument, path: Path): Word[] {
  return listAt(document.value, path).flatMap((_, i) => {
    const text = textAt(document.value, [...path, i]);
    return text === undefined ? [] : [{ text, span: document.span([...path, i]) }];
  });
}

function environment(document: YamlDocument, path: Path): Flag[] {
  return listAt(document.value, path).flatMap((_, i) => {
    const name = textAt(document.value, [...path, i, 'name']);
    const value = textAt(document.value, [...path, i, 'value']);
    if (name === undefined) return [];
    const valueSpan = value === undefined ? undefined : document.span([...path, i, 'value']);
    return [{ name, value, span: document.span([...path, i]), valueSpan }];
  });
}

/** etcd takes each flag from a variable as well: `ETCD_INITIAL_CLUSTER` (etcd.io, "Configuration options"). */
export function etcdVariable(variable: Flag): Flag[] {
  if (!variable.name.startsWith('ETCD_')) return [];
  return [{ ...variable, name: variable.name.slice(5).toLowerCase().replaceAll('_', '-') }];
}
