import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { hostPort } from '../../base/address.ts';
import { HaleError } from '../../base/error.ts';
import type { Etcd } from '../../ports/etcd.ts';
import { type ConfigMapPath, deleteConfigMap, getConfigMap, listConfigMaps, putConfigMap, watchConfigMaps } from './configmaps.ts';
import type { EtcdHealth } from './health.ts';
import { StatusError, toStatusError } from './status.ts';

export interface StandInOptions {
  /** Of the host; said in every response. */
  name: string;
  listen: readonly { host: string; port: number }[];
  tls: { certPem: string; keyPem: string; clientCaPem: string | undefined };
  etcd: Etcd;
  health: EtcdHealth;
}

export interface StandIn {
  /** Where it listens, with the real ports. */
  addresses: string[];
  /** Stops accepting, ends idle connections and watches, and returns when the running requests are done. */
  drain(): Promise<void>;
}

/** kube-apiserver's own idle timeout; Node's 5 s would break connections that a real API server keeps. */
const KEEP_ALIVE_MS = 90_000;

/** Serves what a drill needs of a kube-apiserver: /livez, /readyz, /version, and config maps kept in etcd. Rejects when it cannot listen. */
export async function startStandIn(options: StandInOptions): Promise<StandIn> {
  const draining = new AbortController();
  const { certPem, keyPem, clientCaPem } = options.tls;
  const listener = (request: IncomingMessage, response: ServerResponse) =>
    void answer({ ...options, draining: draining.signal, request, response });
  const servers = options.listen.map(({ host, port }) =>
    createServer(
      {
        cert: certPem,
        key: keyPem,
        keepAliveTimeout: KEEP_ALIVE_MS,
        // As kube-apiserver: health and version for everybody, objects for holders of a certificate.
        ...(clientCaPem === undefined ? {} : { ca: clientCaPem, requestCert: true, rejectUnauthorized: false }),
      },
      listener,
    ).listen(port, host),
  );
  await Promise.all(servers.map((server) => once(server, 'listening'))).catch((cause: Error) => {
    const remedy = 'end what uses the port, or choose an address of this host';
    throw new HaleError({ code: 'standin_listen', kind: 'world', message: cause.message, remedy, cause });
  });
  return {
    addresses: servers.map((server) => addressOf(server)),
    async drain() {
      draining.abort();
      await Promise.all(servers.map((server) => once(server.close(), 'close')));
    },
  };
}

function addressOf(server: Server): string {
  const { address, port } = server.address() as AddressInfo;
  return hostPort(address, port);
}

interface Call extends StandInOptions {
  draining: AbortSignal;
  request: IncomingMessage;
  response: ServerResponse;
}

async function answer(call: Call): Promise<void> {
  const { request, response } = call;
  response.setHeader('X-Hale-Server', call.name);
  if (call.draining.aborted) response.setHeader('Connection', 'close');
  try {
    const [path = '', query = ''] = (request.url ?? '').split('?', 2);
    if (path === '/readyz') sendChecks(response, { endpoint: 'readyz', query, checks: readyzChecks(call) });
    else if (path === '/livez') sendChecks(response, { endpoint: 'livez', query, checks: [{ name: 'ping', problem: undefined }] });
    else if (path === '/version') sendJson(response, 200, { gitVersion: 'stand-in', standIn: true, node: call.name });
    else await answerObjects(call, path, new URLSearchParams(query));
  } catch (error) {
    const status = toStatusError(error);
    if (status !== undefined) sendJson(response, status.code, status);
    // A client that left in the middle of its request is no bug here.
    else if (!response.destroyed) throw error;
  }
}

interface Check {
  name: string;
  problem: string | undefined;
}

function readyzChecks({ health, draining }: Call): Check[] {
  return [
    { name: 'ping', problem: undefined },
    { name: 'etcd', problem: health.problem() },
    { name: 'shutdown', problem: draining.aborted ? 'the server is shutting down' : undefined },
  ];
}

/** kube-apiserver's format, save that reasons are given rather than withheld. */
function sendChecks(response: ServerResponse, { endpoint, query, checks }: { endpoint: string; query: string; checks: Check[] }): void {
  const passed = checks.every(({ problem }) => problem === undefined);
  const verbose = !passed || /(^|&)verbose(=|&|$)/.test(query);
  const lines = checks.map(({ name, problem }) => (problem === undefined ? `[+]${name} ok` : `[-]${name} failed: ${problem}`));
  const body = verbose ? `${lines.join('\n')}\n${endpoint} check ${passed ? 'passed' : 'failed'}\n` : 'ok';
  response
    .writeHead(passed ? 200 : 500, { 'content-type': 'text/plain; charset=utf-8', 'content-length': Buffer.byteLength(body) })
    .end(body);
}

function sendJson(response: ServerResponse, code: number, value: object): void {
  const body = JSON.stringify(value);
  response.writeHead(code, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }).end(body);
}

async function answerObjects(call: Call, path: string, query: URLSearchParams): Promise<void> {
  const { request, response, etcd } = call;
  const match = /^\/api\/v1\/namespaces\/([a-z0-9.-]+)\/configmaps(?:\/([a-z0-9.-]+))?$/.exec(path);
  if (match === null) throw new StatusError(404, 'NotFound', `the stand-in does not serve ${path}`);
  if (call.tls.clientCaPem !== undefined && !(request.socket as TLSSocket).authorized) {
    throw new StatusError(401, 'Unauthorized', 'a client certificate is needed');
  }
  const at: ConfigMapPath = { namespace: match[1] as string, name: match[2] };
  const watching = at.name === undefined && ['1', 'true'].includes(query.get('watch') ?? '');
  if (watching && request.method === 'GET') return answerWatch(call, at, query);
  if (at.name === undefined && request.method === 'GET') sendJson(response, 200, await listConfigMaps(etcd, at));
  else if (at.name !== undefined && request.method === 'GET') sendJson(response, 200, await getConfigMap(etcd, at));
  else if (at.name !== undefined && request.method === 'PUT') sendJson(response, 200, await putConfigMap(etcd, at, request));
  else if (at.name !== undefined && request.method === 'DELETE') sendJson(response, 200, await deleteConfigMap(etcd, at));
  else throw new StatusError(405, 'MethodNotAllowed', `the stand-in does not serve ${request.method} ${path}`);
}

async function answerWatch({ response, etcd, draining }: Call, path: ConfigMapPath, query: URLSearchParams): Promise<void> {
  const gone = new AbortController();
  response.on('close', () => gone.abort());
  // "" and "0" mean: start from any state, so the newest.
  const resourceVersion = ['', '0'].includes(query.get('resourceVersion') ?? '') ? undefined : (query.get('resourceVersion') as string);
  await watchConfigMaps(etcd, { path, resourceVersion, response, signal: AbortSignal.any([gone.signal, draining]) });
}
