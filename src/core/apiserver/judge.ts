import type { Figures } from './figures.ts';
import { judging, type About, type Instance, type Judgement, type Thresholds } from './judgement.ts';
import { judgeCertificates, judgeFailures, judgeMemory } from './judge-process.ts';
import { judgeEtcd, judgeLatency, judgeRejected, judgeSeats } from './judge-requests.ts';
import { judgeSpread } from './judge-spread.ts';

/** What is too much, by the thresholds of cluster.yaml, for every API server. */
export function judge(instances: readonly Instance[], thresholds: Thresholds): Judgement[] {
  return [...instances.flatMap((instance) => judgeInstance(instance, thresholds)), ...judgeSpread(instances, thresholds)];
}

function judgeInstance({ name, figures, problem, hostMemoryBytes }: Instance, thresholds: Thresholds): Judgement[] {
  const about = judging(name);
  if (figures === null) {
    return [
      about.finding('unreachable', {
        says: problem ?? 'no answer',
        why: 'An API server that cannot be asked may not be serving either.',
        remedy: '`hale status` says whether it is ready; its own log, why not.',
      }),
    ];
  }
  return [
    ...judgeRestart(about, figures),
    ...judgeLatency(about, figures, thresholds),
    ...judgeEtcd(about, figures, thresholds),
    judgeSeats(about, figures, thresholds),
    judgeRejected(about, figures),
    judgeMemory(about, { figures, hostMemoryBytes, thresholds }),
    judgeFailures(about, figures),
    judgeCertificates(about, figures, thresholds),
    ...judgeScrape(about, figures),
  ];
}

function judgeRestart(about: About, { restarted }: Figures): Judgement[] {
  if (!restarted) return [];
  return [
    about.finding('restarted', {
      says: 'restarted between the two scrapes: its counters went back',
      why: 'Every restart breaks all connections and watches to this API server.',
      remedy: 'Look for the cause in its log and in the journal of its service; then ask again.',
    }),
  ];
}

function judgeScrape(about: About, { missing, malformed, firstMalformed, dropped }: Figures): Judgement[] {
  const told: Judgement[] = [];
  if (missing.length > 0) told.push(about.notJudged('scrape', `it serves no ${missing.join(', ')}: another release of Kubernetes?`));
  if (malformed > 0) {
    const where = firstMalformed === null ? '' : `, first line ${firstMalformed.line}: ${JSON.stringify(firstMalformed.excerpt)}`;
    told.push(about.notJudged('scrape', `${malformed} lines of its metrics make no sense${where}`));
  }
  if (dropped > 0) told.push(about.notJudged('scrape', `${dropped} samples beyond what is kept were passed over`));
  return told;
}
