import type { FailureKind, Figures } from './figures.ts';
import { observations } from '../prometheus/histogram.ts';
import { lack, percent, type About, type Judgement, type Thresholds } from './judgement.ts';

export function judgeMemory(
  about: About,
  { figures, hostMemoryBytes, thresholds }: { figures: Figures; hostMemoryBytes: number | null; thresholds: Thresholds },
): Judgement {
  const { memoryBytes } = figures;
  if (memoryBytes === null) return about.notJudged('memory', lack(figures, 'process_resident_memory_bytes'));
  if (hostMemoryBytes === null)
    return about.notJudged('memory', 'nobody said how much memory its host has: it is neither this host nor a node');
  return about.compare('memory', {
    value: percent(memoryBytes, hostMemoryBytes),
    threshold: thresholds.memoryPercent,
    unit: 'percent',
    says: `${mebibytes(memoryBytes)} of the ${mebibytes(hostMemoryBytes)} of its host`,
    why: 'The kernel ends what uses the most memory first; the connections of the other API servers, moved here, would need more.',
    remedy: 'Give the hosts more memory, or find what is large: many objects, many watches, LISTs without a limit.',
  });
}

const FAILURES: Record<FailureKind, string> = {
  auditEvents: 'audit events lost',
  auditRequests: 'requests refused because auditing failed',
  webhookRefusals: 'requests refused because an admission webhook failed',
  webhookLetThrough: 'requests let through because an admission webhook failed',
};

export function judgeFailures(about: About, figures: Figures): Judgement {
  const counts = (Object.keys(FAILURES) as FailureKind[]).map((kind) => ({ kind, count: figures.failures[kind] }));
  if (counts.some(({ count }) => count === null)) {
    return about.notJudged('failures', lack(figures, 'apiserver_audit_requests_rejected_total'));
  }
  const told = counts.flatMap(({ kind, count }) =>
    count === null || count.sinceStart === 0 ? [] : [`${count.inWindow} ${FAILURES[kind]} (${count.sinceStart} since its start)`],
  );
  return about.compare('failures', {
    value: counts.reduce((total, { count }) => total + (count?.inWindow ?? 0), 0),
    threshold: 0,
    unit: 'events',
    says: told.length === 0 ? 'no failure of auditing or of admission webhooks since its start' : told.join('; '),
    why: 'What is not audited is lost, and a webhook that fails either refuses what is right or lets through what is wrong.',
    remedy:
      'Is the disk of the audit log full, and the backend reachable? Do the webhooks answer within their timeout (`kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations`)?',
  });
}

const DAY_SECONDS = 86_400;

export function judgeCertificates(about: About, figures: Figures, { certificateDays }: Thresholds): Judgement {
  const { certificates } = figures;
  if (certificates === null) {
    return about.notJudged('client-certificates', lack(figures, 'apiserver_client_certificate_expiration_seconds_bucket'));
  }
  const all = observations(certificates) ?? 0;
  if (all === 0) return about.notJudged('client-certificates', 'no request in the window had a client certificate');
  const limit = certificateDays * DAY_SECONDS;
  const [certain, soon] = certificates.findLast(([bound]) => bound <= limit) ?? [0, 0];
  const [possible, perhaps] = certificates.find(([bound]) => bound >= limit) ?? [Number.POSITIVE_INFINITY, all];
  const days = (seconds: number): string => `${+(seconds / DAY_SECONDS).toFixed(1)} days`;
  if (soon === 0 && perhaps > 0) {
    const within = possible === Number.POSITIVE_INFINITY ? 'a time it does not tell' : days(possible);
    return about.notJudged(
      'client-certificates',
      `${perhaps} requests had a certificate that ends within ${within}; whether within ${certificateDays} it does not count`,
    );
  }
  return about.compare('client-certificates', {
    value: soon,
    threshold: 0,
    unit: 'requests',
    says:
      soon === 0
        ? `none of ${all} requests had a certificate that ends within ${certificateDays} days`
        : `${soon} of ${all} requests had a certificate that ends within ${days(certain)}`,
    why: 'From the day it ends its owner, be it a kubelet or a controller, is refused with status 401.',
    remedy:
      '`hale status` lists the certificates of the control plane and when they end; those of kubelets are in /var/lib/kubelet/pki on each node.',
  });
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 1_048_576)} MiB`;
}
