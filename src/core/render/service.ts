/** A daemon of a host: what a systemd unit says of it, and what the lab's own supervisor runs. */
export interface Service {
  /** `kube-apiserver`; its unit is `kube-apiserver.service`. */
  name: 'etcd' | 'kube-apiserver' | 'kube-controller-manager' | 'kube-scheduler' | 'hale-agent';
  description: string;
  documentation: string;
  /** Units that have to be started before. */
  after: readonly string[];
  /** Name of the program, looked for in `systemd.binDir`. */
  program: string;
  arguments: readonly string[];
  /** Folders that it writes to; everything else is read-only for it. */
  writes: readonly string[];
  /** Seconds until it is killed when it does not stop. */
  stopTimeoutSeconds: number;
  /** Lines of `[Service]` beside those that all have, for example `Type=notify`. */
  extra: readonly string[];
}
