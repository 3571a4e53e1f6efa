import type { Claim } from './claim.ts';
import type { ClaimOptions } from './open-claim.ts';
export function openVrrpClaim(_: ClaimOptions): Claim {
  throw new Error('later');
}
