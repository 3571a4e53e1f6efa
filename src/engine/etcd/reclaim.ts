import { type DefragPlan, planDefrag } from '../../core/etcd/upkeep/defrag.ts';
import { nameOfId } from '../../core/etcd/member.ts';
import { type MemberSpace, noSpaceRefusal, spaceOf, tooFullText } from '../../core/etcd/upkeep/space.ts';
import type { EtcdView } from '../../core/etcd/view.ts';
import { compactFully } from './compact.ts';
import { carryOutDefrag, type DefragDone, type DefragOptions, type DefragReport, type DefragStop } from './defrag.ts';
import { lookAtEtcd } from './look.ts';
import { pause } from './pause.ts';

export interface ReclaimOptions extends Omit<DefragOptions, 'plan' | 'goesOn'> {
  /** Quotas by id of the member, where its status does not tell. */
  quotas: ReadonlyMap<string, number>;
  /** Of the quota, 0 to 1: what may be left. */
  maxInUseShare: number;
}

export interface ReclaimReport {
  /** Null where it was not reached. */
  compactedTo: number | null;
  defrag: DefragReport | null;
  /** Ids of the members whose alarm was disarmed. */
  disarmed: string[];
  /** A write went through after it, and no alarm came back. */
  proved: boolean;
  /** Null when all was done. `too_full`: more has to be deleted first. */
  stopped: { reason: 'too_full' | 'defrag' | 'still_full' | 'interrupted' | 'raised_again' | 'failed'; message: string } | null;
}

/** Written and deleted to prove that etcd takes writes. */
const PROOF_KEY = Uint8Array.from('/hale/etcd/reclaim-space', (unit) => unit.charCodeAt(0));
const RAISED_AGAIN_AFTER_MS = 500;

/** The way out of NOSPACE in the only order that works: compact, defragment one at a time, disarm, and prove it by a write. Never fails: the report says where it stopped. */
export async function reclaimSpace(options: ReclaimOptions): Promise<ReclaimReport> {
  const report: ReclaimReport = { compactedTo: null, defrag: null, disarmed: [], proved: false, stopped: null };
  try {
    report.stopped = await allSteps(options, report);
  } catch (error) {
    report.stopped = { reason: 'failed', message: (error as Error).message };
  }
  return report;
}

async function allSteps(options: ReclaimOptions, report: ReclaimReport): Promise<ReclaimReport['stopped']> {
  const { etcd, clock, urls, tell, signal, settleMs } = options;
  const first = await lookAtEtcd({ etcd, urls });
  const revision = Math.max(0, ...first.members.map(({ status }) => status?.revision ?? 0));
  tell.step(`compacting to the present revision, ${revision}`);
  const { view } = await compactFully({ etcd, clock, urls, revision, signal, settleMs, at: tell.at });
  report.compactedTo = revision;
  if (signal.aborted) return { reason: 'interrupted', message: 'interrupted' };
  const plan: DefragPlan = planDefrag(view, { memberIds: [] });
  // Only then it is known what is left: what is in use is counted anew with the next write, and there is none.
  const goesOn = ({ id, sizeAfterBytes }: DefragDone): DefragStop | null => {
    const space = spaceOf(view, options.quotas).find((one) => one.id === id) as MemberSpace;
    const message = tooFullText({ ...space, sizeBytes: sizeAfterBytes }, options.maxInUseShare);
    return message === null ? null : { reason: 'too_full', message };
  };
  report.defrag = await carryOutDefrag({ ...options, plan, goesOn });
  const { stopped } = report.defrag;
  if (stopped !== null) return { reason: stopped.reason === 'too_full' ? 'too_full' : 'defrag', message: stopped.message };
  return (await disarm(options, report)) ?? (await prove(options, report));
}

async function disarm(options: ReclaimOptions, report: ReclaimReport): Promise<ReclaimReport['stopped']> {
  const { etcd, urls, tell, quotas } = options;
  const view: EtcdView = await lookAtEtcd({ etcd, urls });
  const refusal = noSpaceRefusal(spaceOf(view, quotas).map((space) => ({ ...space, hasAlarm: false })));
  if (refusal !== null) return { reason: 'still_full', message: refusal.message };
  for (const alarm of await etcd.alarms()) {
    if (alarm.alarm !== 'NOSPACE') continue;
    await etcd.disarm(alarm);
    report.disarmed.push(alarm.memberId);
    tell.step(`the alarm NOSPACE of ${nameOfId(view.members, alarm.memberId)} is disarmed`);
  }
  return null;
}

async function prove({ etcd, clock, tell }: ReclaimOptions, report: ReclaimReport): Promise<ReclaimReport['stopped']> {
  await etcd.put(PROOF_KEY, new Uint8Array(0));
  await etcd.deleteRange(PROOF_KEY);
  // Every member that is still at its quota raises the alarm when it applies the write.
  await pause(clock, RAISED_AGAIN_AFTER_MS);
  const again = (await etcd.alarms()).filter(({ alarm }) => alarm === 'NOSPACE');
  if (again.length > 0) {
    return { reason: 'raised_again', message: `the alarm was raised again by ${again.map(({ memberId }) => memberId).join(', ')}` };
  }
  report.proved = true;
  tell.step('a write went through, and no alarm came back');
  return null;
}
