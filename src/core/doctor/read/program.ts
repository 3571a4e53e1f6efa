import type { Span, TextFile } from '../text-file.ts';
import type { YamlDocument } from './yaml.ts';

/** A program and how it is called, wherever that stands. */
export interface Program {
  /** `kube-apiserver`, `etcd`, `kubelet`, `kube-vip`, `lvscare`, `kubeadm`, `etcdctl` … */
  name: string;
  origin: 'pod' | 'unit' | 'environment' | 'kubeadm' | 'k3s' | 'rke2' | 'flag-file' | 'script';
  /** Whether all its flags are known, so that one that is missing has its default. Of `extraArgs` only some are. */
  complete: boolean;
  flags: readonly Flag[];
  /** Words that are no flags, without the program: `join`, `10.0.0.1:6443`. */
  words: readonly { text: string; span: Span }[];
  env: readonly Flag[];
  image: { text: string; span: Span } | undefined;
  file: TextFile;
  /** The program's name, or the key that its flags stand under: where something is missing. */
  at: Span;
  /** The Pod, DaemonSet or configuration that it is from. */
  document: YamlDocument | undefined;
}

export interface Flag {
  /** Without dashes; of a variable its name. */
  name: string;
  /** Undefined for a switch. */
  value: string | undefined;
  /** Of name and value. */
  span: Span;
  /** Of the value alone, where there is one. */
  valueSpan: Span | undefined;
}
