/** Communities: RFC 1997, RFC 8326 (GRACEFUL_SHUTDOWN), and IANA's registry "BGP Well-known Communities". */

/** RFC 8326: the route is about to go; prefer any other. */
export const GRACEFUL_SHUTDOWN = 0xffff_0000;

const WELL_KNOWN: readonly (readonly [name: string, community: number])[] = [
  ['graceful-shutdown', GRACEFUL_SHUTDOWN],
  ['accept-own', 0xffff_0001],
  ['blackhole', 0xffff_029a],
  ['no-export', 0xffff_ff01],
  ['no-advertise', 0xffff_ff02],
  ['no-export-subconfed', 0xffff_ff03],
  ['no-peer', 0xffff_ff04],
];

/** `65000:100` or the name of a well-known one; undefined when it is neither. */
export function parseCommunity(text: string): number | undefined {
  const known = WELL_KNOWN.find(([name]) => name === text.toLowerCase());
  if (known !== undefined) return known[1];
  const match = /^(\d{1,5}):(\d{1,5})$/.exec(text);
  const [asn, value] = [Number(match?.[1]), Number(match?.[2])];
  return asn <= 0xffff && value <= 0xffff ? asn * 0x1_0000 + value : undefined;
}

export function formatCommunity(community: number): string {
  return WELL_KNOWN.find(([, known]) => known === community)?.[0] ?? halves(community).join(':');
}

/** The AS number and the value. */
export function halves(community: number): [number, number] {
  return [community >>> 16, community & 0xffff];
}
