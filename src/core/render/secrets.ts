/** 32 random bytes in base64, as aescbc and secretbox take them. */
export interface EncryptionKey {
  name: string;
  secret: string;
}

/** What all hosts of a cluster share, and no file of the user says. */
export interface ClusterSecrets {
  encryptionKeys: readonly EncryptionKey[];
  /** Of etcd's cluster; unique, so that members of another with the same addresses are refused. */
  etcdToken: string;
  /** 64 hexadecimal digits: what kubeadm encrypts the certificates with that it hands to further control-plane hosts. */
  certificateKey: string;
  /** `abcdef.0123456789abcdef`: with it a node joins a kubeadm cluster. */
  bootstrapToken: string;
  /** With it servers and agents join a k3s or RKE2 cluster; it also encrypts what a restore needs, so it belongs with the backups. */
  joinToken: string;
}
