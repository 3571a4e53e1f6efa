import { describe, expect, test } from 'vitest';
import { alarmsOf, alarmText, isAlarm } from '../../../src/core/etcd/alarms.ts';

/** As etcd 3.4.23 wrote it. */
const NOSPACE = 'memberID:10276657743932975437 alarm:NOSPACE ';
const member = (memberId: string, errors: string[]) => ({ memberId, errors, dbSizeBytes: 16 * 1024 ** 2 });

describe("etcd's alarms", () => {
  test('one that every member tells of is one, and of the member that it names', () => {
    const told = [member('a1', [NOSPACE]), member('8e9e05c52164694d', ['etcdserver: no leader', NOSPACE])];
    expect(alarmsOf(told)).toEqual([{ alarm: 'NOSPACE', memberId: '8e9e05c52164694d', dbSizeBytes: 16 * 1024 ** 2 }]);
    expect(alarmsOf([member('a1', [])])).toEqual([]);
  });

  test('two members can each have one, also one that gave no answer', () => {
    const told = [member('a1', [NOSPACE, 'memberID:161  alarm:CORRUPT'])];
    expect(alarmsOf(told)).toEqual([
      { alarm: 'NOSPACE', memberId: '8e9e05c52164694d', dbSizeBytes: null },
      { alarm: 'CORRUPT', memberId: 'a1', dbSizeBytes: 16 * 1024 ** 2 },
    ]);
  });

  test('another error is no alarm', () => {
    expect(isAlarm(NOSPACE)).toBe(true);
    expect(isAlarm('etcdserver: no leader')).toBe(false);
    expect(isAlarm('memberID:1 alarm:\u001b[31m')).toBe(false);
  });

  test('in words: the alarm, the member, what it means and the way out', () => {
    const full = { alarm: 'NOSPACE', memberId: 'a1', dbSizeBytes: 17_301_504 };
    expect(alarmText(full, 'cp2')).toMatch(
      /^alarm NOSPACE of cp2 \(member a1\): its database of 16\.5 MiB has reached its quota, .*refuses every write .*compact.*defrag.*disarm.*hale etcd reclaim-space/,
    );
    expect(alarmText({ ...full, dbSizeBytes: null }, undefined)).toMatch(/^alarm NOSPACE of member a1: its database has reached/);
    expect(alarmText({ ...full, alarm: 'CORRUPT' }, 'cp2')).toMatch(/^alarm CORRUPT of cp2 \(member a1\): its data .*disarm/);
    expect(alarmText({ ...full, alarm: '7' }, 'cp2')).toMatch(/^alarm 7 of cp2 \(member a1\): .*alarm list/);
  });
});
