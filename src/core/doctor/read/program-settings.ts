import type { FlagFile } from '../facts.ts';
import { readPair } from './arguments.ts';
import type { Flag, Program } from './program.ts';
import { listAt, mapAt, type Path, textAt, valueAt, type YamlDocument } from './yaml.ts';

/** Sections of kubeadm's configuration whose `extraArgs` become flags. */
const KUBEADM_SECTIONS: readonly { kind: RegExp; path: Path; args: string; name: string }[] = [
  { kind: /^ClusterConfiguration$/, path: ['apiServer'], args: 'extraArgs', name: 'kube-apiserver' },
  { kind: /^ClusterConfiguration$/, path: ['controllerManager'], args: 'extraArgs', name: 'kube-controller-manager' },
  { kind: /^ClusterConfiguration$/, path: ['scheduler'], args: 'extraArgs', name: 'kube-scheduler' },
  { kind: /^ClusterConfiguration$/, path: ['etcd', 'local'], args: 'extraArgs', name: 'etcd' },
  { kind: /^(?:Init|Join)Configuration$/, path: ['nodeRegistration'], args: 'kubeletExtraArgs', name: 'kubelet' },
];

/** The flags that kubeadm is told to add to its own; what it adds itself is not seen here. */
export function kubeadmPrograms(document: YamlDocument): Program[] {
  if (!document.apiVersion.startsWith('kubeadm.k8s.io/')) return [];
  return KUBEADM_SECTIONS.filter(({ kind }) => kind.test(document.kind)).flatMap(({ path, args, name }) => {
    const section = valueAt(document.value, path);
    if (section === undefined || section === null) return [];
    const tag = textAt(document.value, [...path, 'imageTag']);
    return [
      {
        ...settingsProgram(name, { document, at: [...path, args] }),
        flags: argsAt(document, [...path, args]),
        env: argsAt(document, [...path, 'extraEnvs']),
        image: tag === undefined ? undefined : { text: `${name}:${tag}`, span: document.span([...path, 'imageTag']) },
      },
    ];
  });
}

function settingsProgram(name: string, { document, at }: { document: YamlDocument; at: Path }): Program {
  return {
    name,
    origin: 'kubeadm',
    complete: false,
    flags: [],
    words: [],
    env: [],
    image: undefined,
    file: document.file,
    at: document.span(at, 'key'),
    document,
  };
}

/** A mapping of names and values (until v1beta3), or a list of both (since v1beta4). */
function argsAt(document: YamlDocument, path: Path): Flag[] {
  const listed = listAt(document.value, path).flatMap((_, i) => {
    const name = textAt(document.value, [...path, i, 'name']);
    return name === undefined ? [] : [flagAt(document, { name, whole: [...path, i], value: [...path, i, 'value'] })];
  });
  const mapped = Object.keys(mapAt(document.value, path)).map((name) => {
    const flag = flagAt(document, { name, whole: [...path, name], value: [...path, name] });
    return { ...flag, span: { ...flag.span, start: document.span([...path, name], 'key').start } };
  });
  return [...listed, ...mapped];
}

function flagAt(document: YamlDocument, { name, whole, value }: { name: string; whole: Path; value: Path }): Flag {
  const text = textAt(document.value, value);
  const valueSpan = text === undefined ? undefined : document.span(value);
  return { name: name.replace(/^-+/, ''), value: text, span: document.span(whole), valueSpan };
}

/** What etcd's own file has one level deeper, and the flags that it stands for (etcd.conf.yml.sample). */
const DEEPER: Readonly<Record<string, string>> = { 'client-transport-security': '', 'peer-transport-security': 'peer-' };

/** config.yaml of k3s and RKE2, and etcd's own file: every key is a flag. */
export function flagFileProgram({ program, document }: FlagFile): Program {
  const deeper = Object.entries(DEEPER).flatMap(([section, prefix]) =>
    keyFlags(document, [section]).map((flag) => ({ ...flag, name: flag.name.startsWith('peer-') ? flag.name : prefix + flag.name })),
  );
  // Of a folder config.yaml.d, each file has a part.
  const complete = !/\.d\/[^/]*$/.test(document.file.path);
  const flags = [...keyFlags(document, []), ...deeper];
  return { ...settingsProgram(program, { document, at: [] }), origin: 'flag-file', complete, flags };
}

/** The keys of a mapping as flags; one without a value is none. */
function keyFlags(document: YamlDocument, section: Path): Flag[] {
  return Object.entries(mapAt(document.value, section)).flatMap(([key, value]) => {
    // `tls-san+` adds to what config.yaml.d says before.
    const name = key.replace(/\+$/, '');
    const path = [...section, key];
    if (Array.isArray(value)) return value.map((_, i) => flagAt(document, { name, whole: [...path, i], value: [...path, i] }));
    if (value === null || typeof value === 'object') return [];
    const span = { ...document.span(path), start: document.span(path, 'key').start };
    return [{ ...flagAt(document, { name, whole: path, value: path }), span }];
  });
}

/** The programs inside k3s and RKE2, by the flag that hands them theirs. */
const INSIDE: Readonly<Record<string, string>> = {
  'kube-apiserver-arg': 'kube-apiserver',
  'kube-controller-manager-arg': 'kube-controller-manager',
  'kube-scheduler-arg': 'kube-scheduler',
  'kube-proxy-arg': 'kube-proxy',
  'kubelet-arg': 'kubelet',
  'etcd-arg': 'etcd',
};

/** What `kube-apiserver-arg` and its like hand on. */
export function innerPrograms(outer: Program): Program[] {
  const { name } = outer;
  if (name !== 'k3s' && name !== 'rke2') return [];
  return Object.entries(INSIDE).flatMap(([key, inner]) => {
    const pairs = outer.flags.flatMap(({ name: flag, value, valueSpan }) =>
      flag === key && value !== undefined && valueSpan !== undefined ? [readPair({ text: value, span: valueSpan })] : [],
    );
    const [first] = pairs;
    if (first === undefined) return [];
    return [{ ...outer, name: inner, origin: name, complete: false, flags: pairs, words: [], env: [], at: first.span }];
  });
}
