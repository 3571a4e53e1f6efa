/** A flag of a Kubernetes or etcd program, and why it is given. */
export interface Flag {
  name: string;
  value: string;
  why?: string;
}

/** `--name=value`, as a command has them. */
export function flagWords(flags: readonly Flag[]): string[] {
  return flags.map(({ name, value }) => `--${name}=${value}`);
}
