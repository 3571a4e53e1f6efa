import { formatPrefix } from '../../../base/address.ts';
import type { Cluster } from '../../cluster/schema.ts';
import { leaderElectionFlags } from '../controller-flags.ts';
import { flagWords } from '../flags.ts';
import { KUBERNETES_DIR, PKI_DIR } from '../paths.ts';
import type { Service } from '../service.ts';
import { SPARED } from './unit.ts';

const LEADER_ELECTION = [
  '--leader-elect=true',
  ...flagWords(leaderElectionFlags()),
  '--leader-elect-resource-lock=leases',
  '--leader-elect-resource-namespace=kube-system',
];

const COMMON = { type: 'exec', unit: [], writes: [], stopTimeoutSeconds: 30, capabilities: [], hardening: {}, extra: [SPARED] } as const;

/** kube-controller-manager (kubernetes.io, "kube-controller-manager"). */
export function controllerManagerService({ kubernetes, name }: Cluster): Service {
  const kubeconfig = `${KUBERNETES_DIR}/controller-manager.conf`;
  return {
    ...COMMON,
    name: 'kube-controller-manager',
    user: 'kube-controller-manager',
    description: 'Kubernetes controller manager',
    documentation: 'https://kubernetes.io/docs/reference/command-line-tools-reference/kube-controller-manager/',
    after: ['network-online.target', 'kube-apiserver.service'],
    program: 'kube-controller-manager',
    arguments: [
      '--bind-address=127.0.0.1',
      `--kubeconfig=${kubeconfig}`,
      `--authentication-kubeconfig=${kubeconfig}`,
      `--authorization-kubeconfig=${kubeconfig}`,
      `--client-ca-file=${PKI_DIR}/ca.crt`,
      `--requestheader-client-ca-file=${PKI_DIR}/front-proxy-ca.crt`,
      `--root-ca-file=${PKI_DIR}/ca.crt`,
      `--service-account-private-key-file=${PKI_DIR}/sa.key`,
      `--cluster-signing-cert-file=${PKI_DIR}/ca.crt`,
      `--cluster-signing-key-file=${PKI_DIR}/ca.key`,
      '--use-service-account-credentials=true',
      '--controllers=*,bootstrapsigner,tokencleaner',
      `--cluster-name=${name}`,
      '--allocate-node-cidrs=true',
      `--cluster-cidr=${kubernetes.podSubnets.map(formatPrefix).join(',')}`,
      `--service-cluster-ip-range=${kubernetes.serviceSubnets.map(formatPrefix).join(',')}`,
      ...LEADER_ELECTION,
    ],
  };
}

/** kube-scheduler (kubernetes.io, "kube-scheduler"). */
export function schedulerService(): Service {
  const kubeconfig = `${KUBERNETES_DIR}/scheduler.conf`;
  return {
    ...COMMON,
    name: 'kube-scheduler',
    user: 'kube-scheduler',
    description: 'Kubernetes scheduler',
    documentation: 'https://kubernetes.io/docs/reference/command-line-tools-reference/kube-scheduler/',
    after: ['network-online.target', 'kube-apiserver.service'],
    program: 'kube-scheduler',
    arguments: [
      '--bind-address=127.0.0.1',
      `--kubeconfig=${kubeconfig}`,
      `--authentication-kubeconfig=${kubeconfig}`,
      `--authorization-kubeconfig=${kubeconfig}`,
      ...LEADER_ELECTION,
    ],
  };
}
