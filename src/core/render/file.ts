/** A file that a host needs, as data. */
export interface RenderedFile {
  /** Absolute, on the host. */
  path: string;
  text: string;
  /** Permissions, for example 0o644; 0o600 for everything secret. */
  mode: number;
  /** `user:group`; `root:root` where nothing is said. */
  owner?: string;
}
