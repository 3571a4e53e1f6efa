import type { EtcdMemberView, EtcdView } from '../view.ts';
import { CLUSTER, type EtcdJudgement, judging, listText } from './judgement.ts';
import { nameOf } from '../member.ts';

type Version = readonly [major: number, minor: number, patch: number];

interface Fault {
  release: '3.4' | '3.5' | '3.6';
  /** First patch levels with it and without it. */
  from: number;
  fixedIn: number;
  severity: 'critical' | 'warning';
  /** Only with so many voters. */
  voters?: number;
  says: string;
}

/** Faults that cost data or a recovery, from etcd's change logs; the numbers are of its issues and pull requests. */
const FAULTS: readonly Fault[] = [
  {
    release: '3.5',
    from: 0,
    fixedIn: 3,
    severity: 'critical',
    says: 'a member that is killed under load may come back with other data (13766)',
  },
  {
    release: '3.5',
    from: 0,
    fixedIn: 5,
    severity: 'critical',
    voters: 1,
    says: 'a lone member that is killed may lose writes that it acknowledged (14370)',
  },
  {
    release: '3.5',
    from: 0,
    fixedIn: 6,
    severity: 'critical',
    says: 'a member that dies while it is defragmented may come back with other data (14685)',
  },
  {
    release: '3.5',
    from: 0,
    fixedIn: 25,
    severity: 'warning',
    says: 'after --force-new-cluster, removed members and learners may still be there, so that a recovery from a lost quorum fails',
  },
  {
    release: '3.6',
    from: 0,
    fixedIn: 6,
    severity: 'warning',
    says: 'after --force-new-cluster, removed members and learners may still be there, so that a recovery from a lost quorum fails',
  },
  {
    release: '3.4',
    from: 0,
    fixedIn: 21,
    severity: 'critical',
    voters: 1,
    says: 'a lone member that is killed may lose writes that it acknowledged (14370)',
  },
];

/** Whether all members run the same etcd, and one without known faults. */
export function judgeVersions(view: EtcdView): EtcdJudgement[] {
  const running = view.members.filter(({ status }) => status !== null);
  return [...judgeAlike(running), ...running.flatMap((member) => judgeFaults(member, view.quorum.voters))];
}

function judgeAlike(running: readonly EtcdMemberView[]): EtcdJudgement[] {
  const about = judging('version', CLUSTER);
  const versions = [...new Set(running.map(({ status }) => status?.version as string))].toSorted();
  if (versions.length === 0) return [];
  if (versions.length === 1) return [about.good(`all members run etcd ${versions[0]}`, versions[0] as string)];
  const each = running.map((member) => `${nameOf(member)} ${member.status?.version}`);
  return [
    about.finding({
      severity: 'warning',
      value: versions.join(', '),
      says: `members run different versions: ${listText(each)}`,
      why: 'that is meant for the time of an upgrade; features of the newer one stay off, and some faults show only then',
      remedy: 'finish the upgrade, one member at a time',
    }),
  ];
}

function judgeFaults(member: EtcdMemberView, voters: number): EtcdJudgement[] {
  const about = judging('known-fault', nameOf(member));
  const text = member.status?.version ?? '';
  const version = parseVersion(text);
  if (version === undefined) return [about.notJudged(`its version is ${JSON.stringify(text)}, which is no released one`)];
  const [major, minor, patch] = version;
  const found = FAULTS.filter(
    (fault) =>
      fault.release === `${major}.${minor}` &&
      patch >= fault.from &&
      patch < fault.fixedIn &&
      (fault.voters === undefined || fault.voters === voters),
  );
  if (found.length === 0) return [about.good(`no fault of ${text} is known here that costs data`, text)];
  return found.map(({ severity, says, release, fixedIn }) =>
    about.finding({
      severity,
      value: text,
      says: `runs etcd ${text}: ${says}`,
      why: `fixed in ${release}.${fixedIn}`,
      remedy: `upgrade to the newest ${release}, one member at a time`,
    }),
  );
}

/** Undefined for anything but a released version, such as `3.6.0-rc.1`. */
function parseVersion(text: string): Version | undefined {
  const [, major, minor, patch] = /^(\d+)\.(\d+)\.(\d+)(?:\+\S*)?$/.exec(text) ?? [];
  return major === undefined ? undefined : [Number(major), Number(minor), Number(patch)];
}
