import type { HaproxyConfig } from './read/haproxy.ts';
import type { KeepalivedConfig } from './read/keepalived.ts';
import type { NginxConfig } from './read/nginx.ts';
import type { Program } from './read/program.ts';
import type { Script } from './read/script.ts';
import type { SysctlFile } from './read/sysctl.ts';
import type { Trouble } from './read/trouble.ts';
import type { UnitFile } from './read/unit.ts';
import type { YamlDocument } from './read/yaml.ts';

/** Everything that was found in all files that were given, which rules look at together. */
export interface Facts {
  haproxy: readonly HaproxyConfig[];
  keepalived: readonly KeepalivedConfig[];
  nginx: readonly NginxConfig[];
  scripts: readonly Script[];
  sysctl: readonly SysctlFile[];
  units: readonly UnitFile[];
  /** Documents with apiVersion and kind: Kubernetes objects, kubeadm's, kubelet's, kube-proxy's configuration, hale's cluster.yaml. */
  documents: readonly YamlDocument[];
  /** config.yaml of k3s and RKE2, etcd.conf.yml: mappings of flags. */
  settings: readonly FlagFile[];
  /** Command lines, wherever they stand: static pods, DaemonSets, units, kubeadm's extraArgs, k3s' *-arg, scripts. */
  programs: readonly Program[];
  /** What could not be read. */
  troubles: readonly Trouble[];
  /** How many files of folders hale does not know. */
  passedOver: number;
}

/** A YAML file whose keys are the flags of one program. */
export interface FlagFile {
  program: 'k3s' | 'rke2' | 'etcd';
  document: YamlDocument;
}
