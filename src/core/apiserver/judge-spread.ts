import { judging, percent, type Instance, type Judgement, type Thresholds } from './judgement.ts';

/** Twice the deviation that chance alone gives a count of so many independent requests, in percent of it. */
function chancePercent(requests: number): number {
  return requests === 0 ? Number.POSITIVE_INFINITY : 200 / Math.sqrt(requests);
}

/** One judgement about all: of the API server that is farthest from the mean. */
export function judgeSpread(instances: readonly Instance[], { requestRateSpreadPercent: threshold }: Thresholds): Judgement[] {
  if (instances.length < 2) return [];
  const rates = instances.flatMap(({ name, figures }) =>
    figures?.requestsPerSecond == null ? [] : [{ name, rate: figures.requestsPerSecond, requests: figures.requests ?? 0 }],
  );
  const id = 'request-rate-spread';
  if (rates.length < instances.length) {
    const unknown = instances.filter(({ name }) => rates.every((rate) => rate.name !== name)).map(({ name }) => name);
    return [judging(unknown.join(', ')).notJudged(id, 'its request rate is not known, so that there is no mean of all')];
  }
  const mean = rates.reduce((total, { rate }) => total + rate, 0) / rates.length;
  const requests = rates.reduce((total, rate) => total + rate.requests, 0) / rates.length;
  const distances = rates.map(({ name, rate }) => ({ name, rate, distance: percent(Math.abs(rate - mean), mean) }));
  const farthest = distances.reduce((most, next) => (next.distance > most.distance ? next : most));
  const about = judging(farthest.name);
  const chance = chancePercent(requests);
  if (chance > threshold) {
    return [
      about.notJudged(
        id,
        `${Math.round(requests)} requests for each in the window are too few: chance alone spreads them further than ${threshold} percent`,
      ),
    ];
  }
  return [
    about.compare(id, {
      value: farthest.distance,
      threshold,
      unit: 'percent',
      says: `${perSecond(farthest.rate)} requests per second, ${farthest.distance} percent from the mean of ${perSecond(mean)}`,
      why: 'One API server that serves most reaches its limits first, and when it fails all of that moves at once.',
      remedy:
        'Clients keep their connections: after a restart all are on the others. `--goaway-chance` of the API servers spreads them again; a client that is much larger than others cannot be spread.',
    }),
  ];
}

function perSecond(rate: number): string {
  return rate.toFixed(1);
}
