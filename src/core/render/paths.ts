/** Where files of a control-plane host are, as kubeadm lays them out. */
export const KUBERNETES_DIR = '/etc/kubernetes';
export const PKI_DIR = `${KUBERNETES_DIR}/pki`;
export const ENCRYPTION_CONFIG = `${KUBERNETES_DIR}/encryption.yaml`;
export const AUDIT_POLICY = `${KUBERNETES_DIR}/audit-policy.yaml`;
export const AUTHENTICATION_CONFIG = `${KUBERNETES_DIR}/authentication.yaml`;
export const AUDIT_LOG_DIR = '/var/log/kubernetes';
