/** All that a control-plane host of `distribution: systemd` needs beside its certificates: files, and the daemons in the order in which they start. */
import type { Cluster, ClusterHost } from '../../cluster/schema.ts';
import type { RenderedFile } from '../file.ts';
import type { Service } from '../service.ts';
import { auditPolicy, authenticationConfig, encryptionConfig } from '../api-files.ts';
import { accountFiles } from './accounts.ts';
import { agentService } from './agent.ts';
import { apiserverService } from './apiserver.ts';
import { controllerManagerService, schedulerService } from './controllers.ts';
import { etcdService } from './etcd.ts';
import { runsAgent } from '../hale/part.ts';
import type { ClusterSecrets } from '../secrets.ts';
import { unitFile } from './unit.ts';

export type SystemdSecrets = Pick<ClusterSecrets, 'encryptionKeys' | 'etcdToken'>;

export interface SystemdHost {
  services: Service[];
  /** Unit files among them. */
  files: RenderedFile[];
}

export function renderSystemdHost(cluster: Cluster, host: ClusterHost, secrets: SystemdSecrets): SystemdHost {
  const services = systemdServices(cluster, { host, etcdToken: secrets.etcdToken });
  return {
    services,
    files: [
      encryptionConfig(secrets.encryptionKeys),
      ...authenticationConfig(cluster),
      auditPolicy(),
      ...accountFiles(services),
      ...services.map((service) => unitFile(service, cluster.kubernetes.binDir)),
    ],
  };
}

/** In the order in which they start. */
export function systemdServices(cluster: Cluster, { host, etcdToken }: { host: ClusterHost; etcdToken: string }): Service[] {
  return [
    ...(cluster.etcd.topology === 'stacked' ? [etcdService({ cluster, host, token: etcdToken })] : []),
    apiserverService(cluster, host),
    controllerManagerService(cluster),
    schedulerService(),
    ...(runsAgent(cluster) ? [agentService(cluster)] : []),
  ];
}
