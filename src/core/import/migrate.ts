import type { Value } from './claim.ts';
import type { Found } from './decide.ts';
import type { Description } from './description.ts';

/** What to know when hale is to answer for an address that something else answers for now. */
export function migrationNotes(values: ReadonlyMap<string, Found>, wanted: string | undefined): Description['notes'] {
  if (wanted !== 'hale') return [];
  const before = values.get('endpoint.provider');
  const notes: { message: string; at: Found['at'] }[] = [];
  if (before !== undefined && before.value !== 'hale' && before.value !== 'external')
    notes.push({
      message: `${String(before.value)} answers for the address now: stop it on every host before the agents of hale start, or both will hold the address`,
      at: before.at,
    });
  const [endpoint, apiserver] = ['endpoint.port', 'apiserver.port'].map((key) => values.get(key));
  const port: Value = endpoint?.value ?? 6443;
  const own: Value = apiserver?.value ?? 6443;
  if (port !== own || values.get('apiserver.bind')?.value === 'host')
    notes.push({
      message: `clients connect to port ${String(port)}, but the API servers listen on ${port === own ? "their hosts' addresses alone" : `port ${String(own)}`}: datapath auto becomes nat or proxy, and connections end with the host that holds the address; dsr keeps them, once both are the same on all addresses`,
      at: endpoint?.at ?? [],
    });
  return notes;
}
