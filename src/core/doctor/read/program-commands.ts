import type { Span, TextFile } from '../text-file.ts';
import { splitWords, type Word } from './arguments.ts';
import type { Flag, Program } from './program.ts';
import { type CommandLine, commandLine, imageName, knownProgram, lineOf } from './program-names.ts';
import { etcdVariable } from './program-pods.ts';
import { recognise } from './recognise.ts';
import type { Script, ShellCommand } from './script.ts';
import type { UnitFile } from './unit.ts';

/* Command lines of units, scripts and files of variables. */

type Origin = 'unit' | 'script' | 'environment';

function programOf(line: CommandLine, { origin, file }: { origin: Origin; file: TextFile }): Program {
  const { name, at, flags, words, isWhole } = line;
  return { name, origin, complete: isWhole, flags, words, env: [], image: undefined, file, at, document: undefined };
}

/** `Environment=` of the unit too; what stands in an `EnvironmentFile=` is not known here. */
export function unitPrograms({ file, settings }: UnitFile): Program[] {
  const ofService = settings.filter(({ section }) => section === 'Service');
  const env = ofService
    .filter(({ key }) => key === 'Environment')
    .flatMap(({ valueSpan }) => splitWords(valueSpan, textOf(valueSpan)).flatMap(assignment));
  const hasFile = ofService.some(({ key }) => key === 'EnvironmentFile');
  return ofService.flatMap(({ key, valueSpan }) => {
    if (key !== 'ExecStart') return [];
    const words = splitWords(valueSpan, textOf(valueSpan)).map(withoutPrefix);
    const line = commandLine(words);
    if (line === undefined) return [];
    const program = programOf(line, { origin: 'unit', file });
    const isEtcd = program.name === 'etcd';
    return [
      {
        ...program,
        complete: program.complete && !(isEtcd && hasFile),
        flags: [...program.flags, ...(isEtcd ? env.flatMap(etcdVariable) : [])],
        env,
      },
    ];
  });
}

const textOf = ({ file, start, end }: Span): string => file.text.slice(start, end);

/** `-/usr/bin/etcd`: systemd's special prefixes of an executable (systemd.service(5)). */
function withoutPrefix(word: Word, i: number): Word {
  const prefix = i === 0 ? (/^[-@:+!]+/.exec(word.text)?.[0].length ?? 0) : 0;
  return { text: word.text.slice(prefix), span: { ...word.span, start: word.span.start + prefix } };
}

/** `NAME=value`. */
function assignment({ text, span }: Word): Flag[] {
  const match = /^([A-Za-z_]\w*)=/.exec(text);
  if (match === null) return [];
  const value = text.slice(match[0].length);
  // Quotes may stand around the value or around the whole.
  const raw = textOf(span);
  const start = span.start + raw.indexOf('=') + 1;
  return [{ name: match[1] as string, value, span, valueSpan: { file: span.file, start, end: span.end } }];
}

export function scriptPrograms(script: Script): Program[] {
  if (recognise(script.file) === 'environment') return environmentPrograms(script);
  return script.commands.flatMap((command) => {
    const line = lineOfCommand(command);
    return line === undefined ? [] : [line];
  });
}

const wordsOf = ({ words, spans }: ShellCommand): Word[] => words.map((text, i) => ({ text, span: spans[i] as Span }));

/** Words before a program that it is run by. */
const WRAPPERS = /^(?:sudo|exec|env|nohup|time|command|then|do|else|if|!|while|-E|-n)$/;
const ENGINES = /^(?:docker|podman|nerdctl|ctr|crictl)$/;

function lineOfCommand(command: ShellCommand): Program | undefined {
  const all = wordsOf(command);
  const from = all.findIndex(({ text }) => !WRAPPERS.test(text) && !/^[A-Za-z_]\w*=/.test(text));
  const first = all[from];
  if (first === undefined) return undefined;
  const { file } = command.span;
  const env = all.slice(0, from).flatMap(assignment);
  const rest = all.slice(from + 1);
  if (ENGINES.test(first.text)) return containerRun(rest, file);
  if (knownProgram(first.text) !== undefined) {
    const line = commandLine(all.slice(from));
    return line === undefined ? undefined : { ...programOf(line, { origin: 'script', file }), env };
  }
  return installed({ first, rest, env, file });
}

/** `docker run --rm ghcr.io/kube-vip/kube-vip:v1.2.3 manifest pod …`. */
function containerRun(words: readonly Word[], file: TextFile): Program | undefined {
  const at = words.findIndex(({ text }) => /[/:]/.test(text) && !text.startsWith('-') && knownProgram(imageName(text)) !== undefined);
  const image = words[at];
  if (image === undefined || !words.some(({ text }) => text === 'run')) return undefined;
  const rest = words.slice(at + 1);
  const line = commandLine(rest) ?? lineOf(imageName(image.text), { at: image.span, rest });
  return { ...programOf(line, { origin: 'script', file }), image };
}

interface Install {
  first: Word;
  rest: readonly Word[];
  env: readonly Flag[];
  file: TextFile;
}

/** `curl -sfL https://get.k3s.io | K3S_TOKEN=… INSTALL_K3S_EXEC=… sh -s - server --cluster-init`. */
function installed({ first, rest, env, file }: Install): Program | undefined {
  if (!/(?:^|\/)(?:ba)?sh$/.test(first.text) || !env.some(({ name }) => /^(?:INSTALL_)?(?:K3S|RKE2)_/.test(name))) {
    const isInstaller = first.text === 'sh' && rest.some(({ text }) => text === 'server') && rest[0]?.text === '-s';
    if (!isInstaller) return undefined;
  }
  const name = env.some((one) => one.name.includes('RKE2_')) ? 'rke2' : 'k3s';
  const exec = env.find((one) => /^INSTALL_(?:K3S|RKE2)_EXEC$/.test(one.name));
  const given = exec?.valueSpan === undefined ? [] : splitWords(exec.valueSpan, exec.value ?? '');
  const args = rest.filter(({ text }) => text !== '-' && text !== '-s');
  const line = lineOf(name, { at: first.span, rest: [...given, ...args] });
  return { ...programOf(line, { origin: 'script', file }), env };
}

/** Variables by which units hand flags to a program. */
const HOLDS_FLAGS: readonly (readonly [RegExp, string])[] = [
  [/^KUBELET_(?:EXTRA_ARGS|KUBEADM_ARGS|ARGS|OPTS|CONFIG_ARGS)$/, 'kubelet'],
  [/^KUBE_?API(?:_?SERVER)?_(?:OPTS|ARGS)$/, 'kube-apiserver'],
  [/^KUBE_CONTROLLER_MANAGER_(?:OPTS|ARGS)$/, 'kube-controller-manager'],
  [/^KUBE_SCHEDULER_(?:OPTS|ARGS)$/, 'kube-scheduler'],
  [/^KUBE_PROXY_(?:OPTS|ARGS)$/, 'kube-proxy'],
  [/^ETCD_(?:OPTS|ARGS|OPTIONS)$/, 'etcd'],
];

/** Where the variables go is said by a unit, so more flags may stand there. */
function environmentPrograms({ file, commands }: Script): Program[] {
  const variables = commands.flatMap((command) => wordsOf(command).flatMap(assignment));
  const held = variables.flatMap((variable): Program[] => {
    const name = HOLDS_FLAGS.find(([pattern]) => pattern.test(variable.name))?.[1];
    if (name === undefined || variable.valueSpan === undefined) return [];
    const rest = splitWords(variable.valueSpan, variable.value ?? '');
    return [{ ...programOf(lineOf(name, { at: variable.span, rest }), { origin: 'environment', file }), complete: false }];
  });
  return [...held, ...variablesOf('etcd', { variables, file }), ...variablesOf('k3s', { variables, file })];
}

function variablesOf(name: 'etcd' | 'k3s', { variables, file }: { variables: readonly Flag[]; file: TextFile }): Program[] {
  const own = variables.filter((variable) => (name === 'etcd' ? /^ETCD_(?!OPTS|ARGS|OPTIONS)/ : /^(?:K3S|RKE2)_/).test(variable.name));
  const [first] = own;
  if (first === undefined) return [];
  const line = lineOf(name, { at: first.span, rest: [] });
  const flags = name === 'etcd' ? own.flatMap(etcdVariable) : [];
  return [{ ...programOf(line, { origin: 'environment', file }), complete: false, flags, env: own }];
}
