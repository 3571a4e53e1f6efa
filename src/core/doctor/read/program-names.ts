import { readArguments, type Word } from './arguments.ts';
import type { Flag } from './program.ts';

/** Programs whose command lines rules look at. */
const KNOWN: ReadonlySet<string> = new Set([
  'cloud-controller-manager',
  'etcd',
  'etcdctl',
  'etcdutl',
  'haproxy',
  'k3s',
  'keepalived',
  'kube-apiserver',
  'kube-controller-manager',
  'kube-proxy',
  'kube-scheduler',
  'kube-vip',
  'kubeadm',
  'kubectl',
  'kubelet',
  'lvscare',
  'nginx',
  'rke2',
]);

/** Other names that images and old binaries have. */
const ALIASES: Readonly<Record<string, string>> = {
  apiserver: 'kube-apiserver',
  'controller-manager': 'kube-controller-manager',
  scheduler: 'kube-scheduler',
  'kube-vip-iptables': 'kube-vip',
  'hardened-etcd': 'etcd',
};

/** The program of `/usr/local/bin/etcd`; undefined when it is none that rules know. */
export function knownProgram(path: string): string | undefined {
  const base = path.slice(path.lastIndexOf('/') + 1);
  return KNOWN.has(base) ? base : undefined;
}

/** `kube-vip` of `ghcr.io/kube-vip/kube-vip:v1.2.3`. */
export function imageName(image: string): string {
  const base = image.replace(/@.*$/, '').replace(/^.*\//, '').replace(/:.*$/, '');
  return ALIASES[base] ?? base;
}

/** The part of an image behind its colon, or undefined. */
export function imageTag(image: string): string | undefined {
  return /:([\w.-]+)$/.exec(image.replace(/@.*$/, ''))?.[1];
}

/** What a command line says, as far as a Program has it. */
export interface CommandLine {
  name: string;
  at: Word['span'];
  flags: Flag[];
  words: Word[];
  /** No word stands for others, as `$KUBE_ARGS` does. */
  isWhole: boolean;
}

/** The first word that is a known program, and what follows: `sudo`, `exec`, wrappers and `hyperkube` are passed over. */
export function commandLine(words: readonly Word[]): CommandLine | undefined {
  const at = words.findIndex(({ text }) => knownProgram(text) !== undefined);
  const program = words[at];
  if (program === undefined) return undefined;
  return lineOf(knownProgram(program.text) as string, { at: program.span, rest: words.slice(at + 1) });
}

export function lineOf(name: string, { at, rest }: { at: Word['span']; rest: readonly Word[] }): CommandLine {
  const isWhole = !rest.some(({ text }) => /^\$[\w{(@*]/.test(text) && !text.includes('='));
  return { name, at, ...readArguments(rest), isWhole };
}
