import type { Prefix } from '../../../base/address.ts';

/** `10.96.0.0/16`. */
export function prefixText({ address, length }: Prefix): string {
  return `${address}/${length}`;
}
