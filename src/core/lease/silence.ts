/** Which members have fallen silent, as the holder hears at each renewal; to the others only the holder speaks so often. Where nobody stands, all speak so often. */
import { activePromise } from './granter.ts';
import type { Member } from './message.ts';
import { type LeaseState, majority } from './state.ts';

/** So many missed renewals in a row are not lost datagrams any more. */
const SILENT_RENEWALS = 2.5;
/** Who was heard this lately was heard after the silent ones fell silent. */
const HEARD_RENEWALS = 1.5;

/**
 * Members that are not heard, or no longer. None for a holder that does not hear a majority any more, nor where nobody stands: then it is
 * itself cut off, and what it thought of the others' hosts would end the connections of their clients.
 */
export function silentMembers(state: LeaseState, now: number): Member[] {
  const { role, config } = state;
  const { renewMs } = config.timing;
  const often = heardOften(state, now);
  const silent = often.filter((member) => heardAgoMs(state, member, now) > SILENT_RENEWALS * renewMs);
  if (role.name !== 'holder' && config.stands) return silent;
  const heard = often.filter((member) => heardAgoMs(state, member, now) <= HEARD_RENEWALS * renewMs);
  return heard.length + 1 >= majority(config.members) ? silent : [];
}

/** Members that this one hears at every renewal: the holder all, the others the holder. */
function heardOften(state: LeaseState, now: number): Member[] {
  const { role, granter, config } = state;
  const others = state.peers.map((_, member) => member).filter((member) => member !== config.self);
  if (role.name === 'holder' || !config.stands) return others;
  const candidate = activePromise(granter, now)?.candidate;
  return candidate === undefined || candidate === config.self ? [] : [candidate];
}

function heardAgoMs(state: LeaseState, member: Member, now: number): number {
  return now - (state.peers[member]?.heardAt ?? now);
}
