import type { EtcdStopSignal } from './etcd.ts';

/** The Kubernetes API, as far as hale uses it. Connections are kept open; every call settles within its deadline. */
export interface Kubernetes {
  /**
   * Sends one request. `path` with its query; the body of a PATCH is a merge patch (RFC 7396). A HaleError `kubernetes_unreachable` when no answer
   * comes; answers of any status are returned.
   */
  request(
    method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE',
    path: string,
    options?: { body?: object; timeoutMs?: number; signal?: EtcdStopSignal },
  ): Promise<KubernetesAnswer>;
  /** Opens a watch on a connection of its own, beside that of the requests, and settles when it is over. `path` with its query. Never rejects. */
  watch(path: string, options: KubernetesWatch): Promise<KubernetesWatchEnd>;
  close(): void;
}

export interface KubernetesAnswer {
  status: number;
  /** Parsed when the answer is JSON, else its text. */
  body: unknown;
  /** `Retry-After`, where the answer has it. */
  retryAfterMs?: number;
}

export interface KubernetesWatch {
  /** Ends it at once: nothing is told any more. */
  signal: EtcdStopSignal;
  /** Without a byte for so long it is given up. */
  silenceMs: number;
  /** The server has taken it. */
  onOpen(): void;
  /** One line of the answer, parsed (kubernetes.io, "Efficient detection of changes"). */
  onDocument(document: unknown): void;
}

export type KubernetesWatchEnd =
  /** In order, by the server or by `signal`. */
  | { kind: 'finished' }
  /** Answered with another status than 200. */
  | { kind: 'refused'; answer: KubernetesAnswer }
  | { kind: 'silent' }
  | { kind: 'failed'; reason: string };
