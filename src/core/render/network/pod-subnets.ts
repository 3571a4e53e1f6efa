import { type Family, familyOf, type Prefix } from '../../../base/address.ts';
import type { Cluster } from '../../cluster/schema.ts';

/** The subnet of the Pods in this family, if there is one. */
export function podSubnet({ podSubnets }: Cluster['kubernetes'], family: Family): Prefix | undefined {
  return podSubnets.find(({ address }) => familyOf(address) === family);
}
