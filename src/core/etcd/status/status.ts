import { type EtcdJudgement, findingsOf } from '../check/judgement.ts';
import { nameOf } from '../member.ts';
import { judgeHealth } from '../check/health.ts';
import { judgeSpace } from '../check/space.ts';
import { judgeTraffic } from '../check/traffic.ts';
import { type DiskVerdict, judgeDisk } from './disk.ts';
import { type EtcdFigures, etcdFigures } from './figures.ts';
import type { EtcdScrape } from './metrics.ts';
import type { EtcdMemberView, EtcdView } from '../view.ts';
import { type EtcdZone, type ZonedHost, zonesOf } from '../zones.ts';

/** A member with what its own counters say. */
export interface EtcdMemberReport extends EtcdMemberView {
  /** As etcd 3.6 tells it with its status, or an older one by its metrics. */
  quotaBytes: number | null;
  /** Null where there are no metrics; `figuresProblem` says why. */
  figures: EtcdFigures | null;
  figuresProblem: string | null;
  disk: DiskVerdict | null;
}

/** All that `hale etcd status` tells. */
export interface EtcdStatus extends Omit<EtcdView, 'members'> {
  members: readonly EtcdMemberReport[];
  /** Empty where the cluster description names none. */
  zones: readonly EtcdZone[];
  findings: readonly EtcdJudgement[];
}

/** Metrics of a member at a look, or why there are none. */
export interface SeenMetrics {
  scrape?: EtcdScrape;
  problem?: string;
}

export interface StatusFacts {
  view: EtcdView;
  /** By the ids of members. */
  metrics: ReadonlyMap<string, SeenMetrics>;
  /** Of the look before, where there was one: figures are then of the time between. */
  before?: ReadonlyMap<string, SeenMetrics>;
  hosts: readonly ZonedHost[];
}

export function etcdStatus({ view, metrics, before, hosts }: StatusFacts): EtcdStatus {
  const members = view.members.map((member) => reportOf(member, { seen: metrics.get(member.id), before: before?.get(member.id) }));
  return { ...view, members, zones: zonesOf(view, hosts), findings: findingsOf(judgeStatus(view, members)) };
}

/** Everything that one look tells, good or not. */
export function judgeStatus(view: EtcdView, members: readonly EtcdMemberReport[]): EtcdJudgement[] {
  const names = new Map(members.map((member) => [member.id, nameOf(member)]));
  return [
    ...judgeHealth(view),
    ...members.flatMap((member) => [
      ...judgeSpace(member, member.quotaBytes),
      ...(member.figures === null ? [] : judgeTraffic(member, member.figures, names)),
    ]),
  ];
}

export function reportOf(
  member: EtcdMemberView,
  { seen, before }: { seen: SeenMetrics | undefined; before: SeenMetrics | undefined },
): EtcdMemberReport {
  const figures = seen?.scrape === undefined ? null : etcdFigures(seen.scrape, before?.scrape);
  return {
    ...member,
    quotaBytes: member.status?.quotaBytes ?? figures?.quotaBytes ?? null,
    figures,
    figuresProblem: figures === null ? (seen?.problem ?? null) : null,
    disk: figures === null ? null : judgeDisk(figures),
  };
}
