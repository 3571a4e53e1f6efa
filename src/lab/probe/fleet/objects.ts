/** The ConfigMaps of the writers, and how their state is read from what the API says. */
import { FLEET_NAMESPACE } from './options.ts';

export interface State {
  writer: number;
  sequence: number;
  resourceVersion: number;
}

const PREFIX = 'writer-';
export const COLLECTION = `/api/v1/namespaces/${FLEET_NAMESPACE}/configmaps`;

interface ConfigMap {
  metadata: { name: string; resourceVersion: string };
  data?: { sequence?: string };
}

export function pathOf(writer: number): string {
  return `${COLLECTION}/${PREFIX}${writer}`;
}

/** With a resource version it replaces only that, as clients with optimistic locking do. */
export function configMap({ writer, sequence }: Omit<State, 'resourceVersion'>, resourceVersion?: number): object {
  const metadata = {
    name: `${PREFIX}${writer}`,
    namespace: FLEET_NAMESPACE,
    ...(resourceVersion !== undefined && { resourceVersion: String(resourceVersion) }),
  };
  return { kind: 'ConfigMap', apiVersion: 'v1', metadata, data: { sequence: String(sequence) } };
}

/** Undefined for an object of somebody else, such as the authority's certificate that the controller manager puts into every namespace. */
export function stateOf(object: object): State | undefined {
  const { metadata, data } = object as ConfigMap;
  if (!metadata.name.startsWith(PREFIX)) return undefined;
  const writer = Number(metadata.name.slice(PREFIX.length));
  return { writer, sequence: Number(data?.sequence), resourceVersion: Number(metadata.resourceVersion) };
}
