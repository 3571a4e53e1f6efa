/** Alarms of etcd, which last until somebody disarms them (etcd.io, "Maintenance"). */

/** By their numbers on the wire (rpc.proto, AlarmType). */
export const ALARM_NAMES = ['NONE', 'NOSPACE', 'CORRUPT'] as const;
export type AlarmName = (typeof ALARM_NAMES)[number];

/** What a member said of itself. */
interface MemberWords {
  /** Hexadecimal. */
  memberId: string;
  /** Every member lists the alarms of all members here. */
  errors: readonly string[];
  dbSizeBytes: number;
}

export interface EtcdAlarm {
  /** `NOSPACE` or `CORRUPT`. */
  alarm: string;
  /** Whose it is; hexadecimal. */
  memberId: string;
  /** Size of its database; null when it gave no answer. */
  dbSizeBytes: number | null;
}

/** An AlarmMember as protobuf's text format writes it (etcd, server/etcdserver/api/v3rpc/maintenance.go); the number of blanks is left open. */
const ALARM = /^memberID:(\d{1,20})\s+alarm:(\w{1,32})\s*$/;

export function isAlarm(error: string): boolean {
  return ALARM.test(error);
}

/** The alarms that any of the members knows, each once. */
export function alarmsOf(members: readonly MemberWords[]): EtcdAlarm[] {
  const found = new Map<string, EtcdAlarm>();
  for (const error of members.flatMap(({ errors }) => errors)) {
    const [, decimal, alarm] = ALARM.exec(error) ?? [];
    if (decimal === undefined || alarm === undefined) continue;
    const memberId = BigInt(decimal).toString(16);
    const dbSizeBytes = members.find((member) => member.memberId === memberId)?.dbSizeBytes ?? null;
    found.set(`${memberId} ${alarm}`, { alarm, memberId, dbSizeBytes });
  }
  return [...found.values()];
}

/** The alarm, whose it is, what it means and the way out, in words. `name` is what people call the member. */
export function alarmText({ alarm, memberId, dbSizeBytes }: EtcdAlarm, name: string | undefined): string {
  const whose = `alarm ${alarm} of ${name === undefined ? `member ${memberId}` : `${name} (member ${memberId})`}`;
  if (alarm === 'NOSPACE') {
    const size = dbSizeBytes === null ? '' : ` of ${(dbSizeBytes / 1024 ** 2).toFixed(1)} MiB`;
    return `${whose}: its database${size} has reached its quota, and etcd refuses every write of the cluster ("mvcc: database space exceeded") until somebody deletes what fills it, compacts, defragments each member and disarms the alarm: all but the first is done by hale etcd reclaim-space (docs/guide/etcd.md)`;
  }
  if (alarm === 'CORRUPT') {
    return `${whose}: its data is not that of the others, and etcd refuses to serve; hale etcd check names the member that differs; replace it with an empty folder (hale etcd member replace NAME --living), then hale etcd alarm disarm (docs/guide/etcd.md)`;
  }
  return `${whose}: see etcd's documentation, and etcdctl alarm list`;
}
