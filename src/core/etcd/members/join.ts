import type { ComingMember, JoinedBy } from './step.ts';
import type { EtcdMemberView } from '../view.ts';

export interface JoinFacts {
  coming: ComingMember;
  by: JoinedBy;
  /** As etcd lists them when the new one is to start. */
  members: readonly Pick<EtcdMemberView, 'id' | 'name' | 'peerUrls'>[];
  dataDir: string;
  /** Whether the unit of etcd there is one that hale rendered. */
  isRendered: boolean;
}

/** What `--initial-cluster` of the new member must be: every member by name and peer URL, and nobody else. */
export function initialCluster({ coming, members }: Pick<JoinFacts, 'coming' | 'members'>): string {
  const others = members.filter(({ name, peerUrls }) => name !== '' && !peerUrls.some((url) => coming.peerUrls.includes(url)));
  return [...others, coming].flatMap(({ name, peerUrls }) => peerUrls.map((url) => `${name}=${url}`)).join(',');
}

/** What has to be done on the new member's host: lines of shell, and comments. */
export function joinLines(facts: JoinFacts): string[] {
  const { by, coming, dataDir } = facts;
  const aside = (folder: string) => `[ ! -e ${folder} ] || mv ${folder} ${folder}.before-$(date +%Y%m%dT%H%M%S)`;
  if (by === 'kubeadm') {
    return [
      `# On a control-plane host that has the others' admin.conf:`,
      'kubeadm init phase upload-certs --upload-certs   # prints the certificate key',
      'kubeadm token create --print-join-command',
      `# On the host of ${coming.name}, which kubeadm adds as a learner, starts, and promotes:`,
      'kubeadm reset -f   # only where kubeadm ran before; it would use old data',
      aside(dataDir),
      '# the printed join command, with: --control-plane --certificate-key KEY',
    ];
  }
  if (by === 'k3s' || by === 'rke2') {
    const { unit, port, only } =
      by === 'k3s' ? { unit: 'k3s', port: 6443, only: ', and without cluster-init' } : { unit: 'rke2-server', port: 9345, only: '' };
    return [
      `# On the host of ${coming.name}; ${by} adds itself as a learner, and is promoted by the others:`,
      `systemctl stop ${unit}`,
      aside(`/var/lib/rancher/${by}/server/db`),
      `# in /etc/rancher/${by}/config.yaml: the cluster's token, server: https://ANOTHER-SERVER:${port}${only}`,
      `systemctl start ${unit}`,
    ];
  }
  return [`# On the host of ${coming.name}:`, 'systemctl stop etcd', aside(dataDir), ...startLines(facts)];
}

function startLines(facts: JoinFacts): string[] {
  const list = initialCluster(facts);
  if (!facts.isRendered) {
    return [
      '# start etcd with these flags in place of those that it has, and an empty data folder:',
      `#   --name=${facts.coming.name} --initial-advertise-peer-urls=${facts.coming.peerUrls.join(',')}`,
      `#   --initial-cluster-state=existing --initial-cluster=${list}`,
      'systemctl start etcd',
    ];
  }
  const replaced = `s#--initial-cluster=[^ ]*#--initial-cluster=${list}#; s#--initial-cluster-state=new#--initial-cluster-state=existing#`;
  return [
    `sed -i '${replaced}' /etc/systemd/system/etcd.service`,
    'systemd-tmpfiles --create',
    'systemctl daemon-reload',
    'systemctl start etcd',
  ];
}
