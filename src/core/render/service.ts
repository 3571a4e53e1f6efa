/** A daemon of a host: what a systemd unit says of it, and what the lab's own supervisor runs. */
export interface Service {
  /** Its unit is `NAME.service`. */
  name: 'etcd' | 'kube-apiserver' | 'kube-controller-manager' | 'kube-scheduler' | 'hale-agent';
  description: string;
  /** URL. */
  documentation?: string;
  /** Units that are started before. */
  after: readonly string[];
  /** More lines of `[Unit]`. */
  unit: readonly string[];
  /** `notify` when it tells systemd that it is ready. */
  type: 'notify' | 'exec';
  /** Runs as this user, who is made where missing and owns `writes`; `root` is there. */
  user: string;
  /** Name of the program, which is in `kubernetes.binDir`. */
  program: string;
  /** `--flag=/a/file` outside `writes` names a file that it reads: a unit has systemd read it, so it may be root's alone. */
  arguments: readonly string[];
  /** Folders that it writes to; everything else is read-only for it. */
  writes: readonly string[];
  /** Until it is killed when it does not stop. */
  stopTimeoutSeconds: number;
  /** Rights beyond those of an ordinary process that it needs (capabilities(7)); the others are taken away. */
  capabilities: readonly string[];
  /** Where it needs other settings than the rest (systemd.exec(5), "Sandboxing"); null for none. */
  hardening: Readonly<Record<string, string | null>>;
  /** Lines of `[Service]` that only this one has. */
  extra: readonly string[];
}
