import type { X509Certificate } from 'node:crypto';
import type { ClientHttp2Stream, Http2Session, IncomingHttpHeaders } from 'node:http2';
import type { TLSSocket } from 'node:tls';
import { Code, ConnectError } from '@connectrpc/connect';
import type { EtcdCertificate } from '../../core/etcd/certificate.ts';
import { ETCD_METRICS, type EtcdMetricName } from '../../core/etcd/status/metrics.ts';
import type { EtcdObservation } from '../../core/etcd/status/observation.ts';
import { ScrapeReader } from '../../core/prometheus/scrape.ts';
import type { EtcdObserver } from '../../ports/etcd-observer.ts';
import type { Endpoint, Endpoints } from './endpoints.ts';
import { toHaleError } from './failure.ts';
import { lookAtPeer, readCertificate } from './peer-end.ts';

/** See EtcdObserver. */
export function createObserver(endpoints: Endpoints): EtcdObserver {
  return {
    async observe(url) {
      const endpoint = endpoints.at(url);
      try {
        return await withinMs(endpoints.timeoutMs, (late) => openMetrics(endpoint, late));
      } catch (error) {
        // Not noted as a failure of the endpoint: whether that is well its API says.
        throw toHaleError('metrics', [endpoints.describe(endpoint, error)]);
      }
    },
    roundTrip: (url, waitMs) => endpoints.at(url).session.roundTrip(waitMs),
    ownCertificate: () => readCertificate(endpoints.tls.certPem),
    lookAtPeer: (peerUrl) => lookAtPeer(peerUrl, endpoints),
  };
}

/** Runs `work`, and tells it by `late` to give up after `timeoutMs`. */
async function withinMs<T>(timeoutMs: number, work: (late: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const lateness = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new ConnectError('no answer within the deadline', Code.DeadlineExceeded));
      controller.abort();
    }, timeoutMs);
  });
  try {
    return await Promise.race([work(controller.signal), lateness]);
  } finally {
    clearTimeout(timer);
  }
}

async function openMetrics({ session: manager }: Endpoint, late: AbortSignal): Promise<EtcdObservation> {
  const stream = await manager.request('GET', '/metrics', { accept: 'text/plain;version=0.0.4' });
  // Before anything can have come.
  stream.setEncoding('utf8');
  const close = () => stream.close();
  if (late.aborted) close();
  late.addEventListener('abort', close, { once: true });
  // Not before: the connection may have had to be opened first.
  const askedAtMs = Date.now();
  const { session } = stream;
  try {
    const { headers, answeredAtMs, atMs } = await headersOf(stream);
    const reader = new ScrapeReader<EtcdMetricName>(ETCD_METRICS);
    for await (const chunk of stream as AsyncIterable<string>) {
      manager.notifyResponseByteRead(stream);
      reader.push(chunk);
    }
    const saidMs = Date.parse(headers.date ?? '');
    return {
      scrape: reader.finish(atMs),
      certificate: shownBy(session),
      clock: Number.isNaN(saidMs) ? null : { askedAtMs, answeredAtMs, saidMs },
    };
  } finally {
    late.removeEventListener('abort', close);
    stream.close();
  }
}

interface Answer {
  headers: IncomingHttpHeaders;
  /** Of the wall clock. */
  answeredAtMs: number;
  atMs: number;
}

function headersOf(stream: ClientHttp2Stream): Promise<Answer> {
  return new Promise((resolve, reject) => {
    stream.once('error', reject);
    stream.once('close', () => reject(new ConnectError('the connection ended', Code.Unavailable)));
    stream.once('response', (headers) => {
      const status = headers[':status'];
      if (status === 200) resolve({ headers, answeredAtMs: Date.now(), atMs: performance.now() });
      else reject(new ConnectError(`it serves no /metrics at its client URL (HTTP ${status})`, Code.Unimplemented));
    });
    stream.end();
  });
}

/** Node 24 takes the certificate out of the connection when it is first asked for it, and has none the second time. */
const shown = new WeakMap<Http2Session, EtcdCertificate | null>();

function shownBy(session: Http2Session | undefined): EtcdCertificate | null {
  if (session === undefined) return null;
  const known = shown.get(session);
  if (known !== undefined) return known;
  const raw: X509Certificate | undefined = (session.socket as TLSSocket).getPeerX509Certificate();
  const certificate = raw === undefined ? null : readCertificate(raw);
  shown.set(session, certificate);
  return certificate;
}
