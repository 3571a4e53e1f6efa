import { familyOf } from '../../../base/address.ts';
import type { Cluster, ClusterHost } from '../../cluster/schema.ts';
import type { RenderedFile } from '../file.ts';
import { CERTIFICATE_NAME } from '../haproxy.ts';
import { addressOf, holders } from './keepalived.ts';
import { CA_COPY, CHECK_SCRIPT } from './paths.ts';

/** The program that keepalived asks whether this host may have the address. */
export function checkScript(cluster: Cluster, host: ClusterHost): RenderedFile {
  const { endpoint, haproxyKeepalived } = cluster;
  const family = familyOf(endpoint.addresses[0] as string);
  const others = holders(cluster).filter(({ name }) => name !== host.name);
  const text = `#!/bin/sh
# Made by hale from cluster.yaml: whether ${host.name} may have the address of the Kubernetes API. keepalived runs it every two seconds.
#
# 0: HAProxy here finds an API server that is ready; or no other host does either.
# 1: another host serves the API while this one cannot, so the address is better off there.
# A check of the local API server alone would move the address although HAProxy has long turned to another API server, and would
# keep it from all hosts while there is none: before the first start, and whenever etcd has lost its majority.
set -u

curl --silent --fail --output /dev/null --max-time 1 http://127.0.0.1:${haproxyKeepalived.healthPort}/healthz && exit 0

# The certificate is verified: something else that answers on that port is not the API.
ready_at() {
  curl --silent --fail --output /dev/null --connect-timeout 1 --max-time 2 --cacert ${CA_COPY} \\
    --resolve "${CERTIFICATE_NAME}:${endpoint.port}:$1" https://${CERTIFICATE_NAME}:${endpoint.port}/readyz
}

asked=
for address in ${others.map((other) => bracketed(addressOf(other, family))).join(' ')}; do
  ready_at "$address" &
  asked="$asked $!"
done
for pid in $asked; do
  wait "$pid" && exit 1
done
exit 0
`;
  return { path: CHECK_SCRIPT, text, mode: 0o755 };
}

function bracketed(address: string): string {
  return address.includes(':') ? `[${address}]` : address;
}
