import { DAY_MS } from '../../pki/certificate.ts';
import type { EtcdCertificate } from '../certificate.ts';
import type { EtcdPeerEnd } from '../status/observation.ts';
import type { EtcdMemberView } from '../view.ts';
import { type EtcdJudgement, type EtcdJudgementId, judging, THIS_HOST } from './judgement.ts';
import { nameOf } from '../member.ts';

export interface CertificateOptions {
  /** Unix time of this host. */
  nowMs: number;
  /** One that ends sooner is a finding. */
  days: number;
}

export function judgeOwnCertificate(certificate: EtcdCertificate, options: CertificateOptions): EtcdJudgement {
  return judgeTimes({ id: 'client-certificate', place: THIS_HOST, what: "this host's client certificate", certificate }, options);
}

/** `certificate` is what the member showed at its client URL; null where that could not be seen. */
export function judgeServerCertificate(
  member: EtcdMemberView,
  certificate: EtcdCertificate | null,
  options: CertificateOptions,
): EtcdJudgement {
  const place = nameOf(member);
  if (certificate === null) return judging('server-certificate', place).notJudged('its certificate could not be seen');
  return judgeTimes({ id: 'server-certificate', place, what: 'its server certificate', certificate }, options);
}

/** Certificates of a member's peer URLs. */
export function judgePeerCertificates(member: EtcdMemberView, ends: readonly EtcdPeerEnd[], options: CertificateOptions): EtcdJudgement[] {
  const place = nameOf(member);
  return ends.flatMap(({ url, problem, certificate }) => {
    const about = judging('peer-certificate', place);
    if (certificate === null) return [about.notJudged(`${url}: ${problem ?? 'nothing was seen'}; its members may reach it all the same`)];
    const times = judgeTimes({ id: 'peer-certificate', place, what: `its certificate for members at ${url}`, certificate }, options);
    if (certificate.namesHost) return [times];
    const { subject } = certificate;
    return [
      times,
      about.finding({
        severity: 'warning',
        value: subject,
        says: `its certificate for members (${subject}) does not name the host of ${url}`,
        why: 'members that look for its name refuse the connection, at the latest when they open it anew',
        remedy: 'issue one that names every host of its peer URLs, and restart the member',
      }),
    ];
  });
}

interface Shown {
  id: EtcdJudgementId;
  place: string;
  what: string;
  certificate: EtcdCertificate;
}

function judgeTimes({ id, place, what, certificate }: Shown, { nowMs, days }: CertificateOptions): EtcdJudgement {
  const about = judging(id, place);
  const { subject, notBefore, notAfter } = certificate;
  const name = `${what} (${subject})`;
  const why = 'TLS fails with it, and nobody reaches anybody: etcd and the API with it stop serving';
  const remedy = 'renew it (hale certificates renew, or kubeadm certs renew), then restart what uses it, one member at a time';
  if (Date.parse(notBefore) > nowMs) {
    return about.finding({
      severity: 'critical',
      value: notBefore,
      says: `${name} is not valid before ${notBefore}`,
      why,
      remedy: 'see whether the clock of this host is right',
    });
  }
  const endsInMs = Date.parse(notAfter) - nowMs;
  if (endsInMs <= 0) return about.finding({ severity: 'critical', value: notAfter, says: `${name} expired on ${notAfter}`, why, remedy });
  if (endsInMs >= days * DAY_MS) return about.good(`${name} is valid until ${notAfter}`, notAfter);
  return about.finding({
    severity: 'warning',
    value: notAfter,
    says: `${name} ends on ${notAfter}, in less than ${days} days`,
    why,
    remedy,
  });
}
