/** Where files of a control-plane host are, as kubeadm lays them out. */
export const KUBERNETES_DIR = '/etc/kubernetes';
export const PKI_DIR = `${KUBERNETES_DIR}/pki`;
export const ENCRYPTION_CONFIG = `${KUBERNETES_DIR}/encryption.yaml`;
export const AUDIT_POLICY = `${KUBERNETES_DIR}/audit-policy.yaml`;
export const AUTHENTICATION_CONFIG = `${KUBERNETES_DIR}/authentication.yaml`;
export const AUDIT_LOG_DIR = '/var/log/kubernetes';
/** kubelet runs what is in here, whether there is an API or not. */
export const STATIC_POD_DIR = `${KUBERNETES_DIR}/manifests`;

/** k3s and RKE2 apply what is in these folders of a server once there is an API. */
export const K3S_MANIFESTS_DIR = '/var/lib/rancher/k3s/server/manifests';
export const RKE2_MANIFESTS_DIR = '/var/lib/rancher/rke2/server/manifests';
/** The kubelets of k3s and RKE2 run what is in here. */
export const K3S_STATIC_POD_DIR = '/var/lib/rancher/k3s/agent/pod-manifests';
export const RKE2_STATIC_POD_DIR = '/var/lib/rancher/rke2/agent/pod-manifests';

export const KUBEADM_CONFIG = `${KUBERNETES_DIR}/kubeadm.yaml`;
