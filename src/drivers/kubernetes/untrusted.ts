import { request } from 'node:https';
import type { TLSSocket } from 'node:tls';
import { untrustedText } from '../../core/apiserver/untrusted.ts';
import type { Target } from '../../core/balancer/plan.ts';

/**
 * Why the certificate of an API server is refused, in words. It is looked at over a connection of its own, on which nothing is verified: no
 * credentials are sent, and what comes is only shown. Never rejects.
 */
export function describeUntrusted(
  { address: host, port }: Target,
  { error, timeoutMs }: { error: NodeJS.ErrnoException; timeoutMs: number },
): Promise<string> {
  const refusal = { code: error.code ?? '', message: error.message };
  return new Promise((resolve) => {
    const unseen = () => resolve(untrustedText(refusal));
    const req = request({ host, port, path: '/livez', agent: false, rejectUnauthorized: false }, (res) => {
      const shown = (res.socket as TLSSocket).getPeerX509Certificate();
      res.destroy();
      if (shown === undefined) return unseen();
      const { subject, issuer, validFromDate, validToDate } = shown;
      const times = { notBefore: validFromDate.toISOString(), notAfter: validToDate.toISOString() };
      resolve(untrustedText(refusal, { subject, issuer, ...times, nowMs: Date.now(), theirNowMs: Date.parse(res.headers.date ?? '') }));
    });
    const silence = setTimeout(() => req.destroy(), timeoutMs);
    req.on('close', () => {
      clearTimeout(silence);
      unseen();
    });
    req.on('error', unseen);
    req.end();
  });
}
