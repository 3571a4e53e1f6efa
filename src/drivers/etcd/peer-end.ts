import { X509Certificate } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { connect } from 'node:tls';
import { printable } from '../../base/printable.ts';
import type { EtcdCertificate } from '../../core/etcd/certificate.ts';
import type { EtcdPeerEnd } from '../../core/etcd/status/observation.ts';
import type { EtcdTls } from './endpoints.ts';

/** What a certificate says, from PEM or as TLS gives it. */
export function readCertificate(certificate: string | X509Certificate): EtcdCertificate {
  const { subject, issuer, validFromDate, validToDate } = typeof certificate === 'string' ? new X509Certificate(certificate) : certificate;
  // Several attributes are several lines in Node.
  const oneLine = (name: string) => printable(name.split('\n').join(', '));
  return {
    subject: oneLine(subject),
    issuer: oneLine(issuer),
    notBefore: validFromDate.toISOString(),
    notAfter: validToDate.toISOString(),
  };
}

/** See EtcdObserver.lookAtPeer. Shows the client's certificate, so that the member logs no refusal; verifies nothing: what comes is only shown. */
export async function lookAtPeer(url: string, { tls, timeoutMs }: { tls: EtcdTls; timeoutMs: number }): Promise<EtcdPeerEnd> {
  const { hostname, port, protocol } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, '');
  const addresses = await resolve(host, timeoutMs);
  const unseen = (problem: string): EtcdPeerEnd => ({ url, addresses, problem, certificate: null });
  if (addresses.length === 0) return unseen(`${host} does not resolve on this host`);
  if (protocol !== 'https:') return unseen('it does not speak TLS');
  try {
    const shown = await certificateAt({ host, port: Number(port), tls, timeoutMs });
    const namesHost = (isIP(host) === 0 ? shown.checkHost(host) : shown.checkIP(host)) !== undefined;
    return { url, addresses, problem: null, certificate: { ...readCertificate(shown), namesHost } };
  } catch (error) {
    return unseen(printable((error as Error).message));
  }
}

/** Empty when it resolves to nothing, also in time. */
async function resolve(host: string, timeoutMs: number): Promise<string[]> {
  if (isIP(host) !== 0) return [host];
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<[]>((settle) => (timer = setTimeout(settle, timeoutMs, [])));
  try {
    return await Promise.race([lookup(host, { all: true }).then((all) => all.map(({ address }) => address)), late]);
  } catch {
    return [];
  } finally {
    clearTimeout(timer);
  }
}

function certificateAt(options: { host: string; port: number; tls: EtcdTls; timeoutMs: number }): Promise<X509Certificate> {
  const { host, port, tls, timeoutMs } = options;
  return new Promise((settle, reject) => {
    const socket = connect({
      host,
      port,
      cert: tls.certPem,
      key: tls.keyPem,
      rejectUnauthorized: false,
      ...(isIP(host) === 0 ? { servername: host } : {}),
    });
    const late = setTimeout(() => socket.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
    socket.once('secureConnect', () => {
      const shown = socket.getPeerX509Certificate();
      if (shown === undefined) reject(new Error('it shows no certificate'));
      else settle(shown);
      socket.destroy();
    });
    socket.on('error', reject);
    socket.once('close', () => clearTimeout(late));
  });
}
