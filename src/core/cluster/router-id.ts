/** The number in nearly every sample file, so also that of a stranger in the same network. */
const IN_EVERY_SAMPLE = 51;
const HIGHEST = 255;

/** VRRP's number of the address: the one that was chosen, or one from 1 to 255 that follows from the cluster's name (FNV-1a). */
export function virtualRouterId({ name, chosen }: { name: string; chosen: number | undefined }): number {
  if (chosen !== undefined) return chosen;
  let hash = 0x811c9dc5;
  for (const letter of name) hash = Math.imul(hash ^ letter.charCodeAt(0), 0x01000193) >>> 0;
  const id = 1 + (hash % (HIGHEST - 1));
  return id < IN_EVERY_SAMPLE ? id : id + 1;
}
