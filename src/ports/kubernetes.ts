/** The Kubernetes API, as far as hale uses it. One connection is kept open; every call settles within its deadline. */
export interface Kubernetes {
  /** Sends one request. `path` with its query. A HaleError `kubernetes_unreachable` when no answer comes; answers of any status are returned. */
  request(
    method: 'GET' | 'POST' | 'PUT' | 'DELETE',
    path: string,
    options?: { body?: object; timeoutMs?: number },
  ): Promise<KubernetesAnswer>;
  close(): void;
}

export interface KubernetesAnswer {
  status: number;
  /** Parsed when the answer is JSON, else its text. */
  body: unknown;
}
