/** The API of the lab, as a kubelet reaches it: through the shared address, over connections that stay open. */
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { readKubeconfig } from '../../../drivers/kubernetes/kubeconfig.ts';

/** As long as a kubelet waits for an answer (k8s.io/kubernetes, cmd/kubelet/app/server.go, heartbeat client). */
const ANSWER_TIMEOUT_MS = 10_000;
/** A server that vanished without a word shows after this and ten probes of a second each. */
const KEEP_ALIVE_MS = 5000;

/** One for each watch, and the rest for what many nodes say at once. */
const SOCKETS_MAX = 128;

export interface ApiCall {
  method: string;
  /** With its query. */
  path: string;
  headers?: IncomingHttpHeaders;
  body?: Buffer;
  /** A watch may be silent for as long as it lasts. */
  isWatch?: boolean;
}

export interface Api {
  /** The beginning of the answer, of any status. Rejects when none comes. */
  send(call: ApiCall): Promise<IncomingMessage>;
  /** The whole answer, of any status, with its JSON. Rejects when none comes. */
  json(method: string, path: string, options?: { body?: object; type?: string }): Promise<{ status: number; body: unknown }>;
}

export function openApi(kubeconfig: string): Api {
  const { host, port, ca, client } = readKubeconfig(kubeconfig);
  const agent = new Agent({ keepAlive: true, maxSockets: SOCKETS_MAX, ...(ca === undefined ? {} : { ca }), ...client });
  const send = ({ method, path, headers = {}, body, isWatch = false }: ApiCall): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      const timeout = isWatch ? {} : { timeout: ANSWER_TIMEOUT_MS };
      const call = request({ host, port, agent, method, path, headers, ...timeout }, resolve);
      call.on('socket', (socket) => socket.setKeepAlive(true, KEEP_ALIVE_MS));
      call.on('timeout', () => call.destroy(new Error('no answer within 10 s')));
      call.on('error', reject);
      call.end(body);
    });
  return {
    send,
    json: async (method, path, { body, type = 'application/json' } = {}) => {
      const text = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
      const headers = {
        accept: 'application/json',
        'user-agent': 'hale-lab',
        ...(text && { 'content-type': type, 'content-length': String(text.length) }),
      };
      const answer = await send({ method, path, headers, ...(text && { body: text }) });
      return { status: answer.statusCode ?? 0, body: JSON.parse((await readAll(answer)).toString()) as unknown };
    },
  };
}

export async function readAll(message: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of message as AsyncIterable<Buffer>) parts.push(part);
  return Buffer.concat(parts);
}
