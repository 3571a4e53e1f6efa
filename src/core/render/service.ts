/** A daemon of a host: what a systemd unit says of it, and what the lab's own supervisor runs. */
export interface Service {
  /** Its unit is `NAME.service`. */
  name: 'etcd' | 'kube-apiserver' | 'kube-controller-manager' | 'kube-scheduler' | 'hale-agent';
  description: string;
  documentation: string;
  /** Units that are started before. */
  after: readonly string[];
  /** `notify` when it tells systemd that it is ready. */
  type: 'notify' | 'exec';
  /** Name of the program, which is in `kubernetes.binDir`. */
  program: string;
  arguments: readonly string[];
  /** Folders that it writes to; everything else is read-only for it. */
  writes: readonly string[];
  /** Until it is killed when it does not stop. */
  stopTimeoutSeconds: number;
  /** Rights beyond those of an ordinary process that it needs (capabilities(7)); the others are taken away. */
  capabilities: readonly string[];
  /** Lines of `[Service]` that only this one has. */
  extra: readonly string[];
}
