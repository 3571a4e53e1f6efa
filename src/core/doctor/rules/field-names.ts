import { editDistance, nearest } from '../../cluster/nearest.ts';
import type { Facts } from '../facts.ts';
import { documentsOf, KUBEADM } from '../look/documents.ts';
import { programsNamed } from '../look/flags.ts';
import { mapAt, type Path, type YamlDocument } from '../read/yaml.ts';
import type { Hit, Rule } from '../rule.ts';
import { clusterConfiguration, kubeadm } from './examples.ts';

/* Names of fields and keys that are misspelt, or stand in the wrong place. What is only unknown may belong to a newer version. */

const words = (text: string): string[] => text.trim().split(/\s+/);

const NODE = words('name criSocket taints kubeletExtraArgs ignorePreflightErrors imagePullPolicy imagePullSerial');
const COMPONENT = words('extraArgs extraVolumes extraEnvs');

/** Fields of kubeadm's kinds, of v1beta2 to v1beta4 together, by their place. */
const KUBEADM_FIELDS: Readonly<Record<string, readonly { path: Path; keys: readonly string[] }[]>> = {
  ClusterConfiguration: [
    {
      path: [],
      keys: words(
        'apiVersion kind metadata clusterName kubernetesVersion controlPlaneEndpoint certificatesDir imageRepository encryptionAlgorithm certificateValidityPeriod caCertificateValidityPeriod featureGates networking etcd apiServer controllerManager scheduler dns proxy',
      ),
    },
    { path: ['networking'], keys: words('serviceSubnet podSubnet dnsDomain') },
    { path: ['etcd'], keys: words('local external') },
    { path: ['etcd', 'local'], keys: words('imageRepository imageTag dataDir extraArgs extraEnvs serverCertSANs peerCertSANs') },
    { path: ['etcd', 'external'], keys: words('endpoints caFile certFile keyFile httpEndpoints') },
    { path: ['apiServer'], keys: [...COMPONENT, ...words('certSANs timeoutForControlPlane')] },
    { path: ['controllerManager'], keys: COMPONENT },
    { path: ['scheduler'], keys: COMPONENT },
    { path: ['dns'], keys: words('imageRepository imageTag disabled type') },
  ],
  InitConfiguration: [
    {
      path: [],
      keys: words(
        'apiVersion kind metadata bootstrapTokens dryRun nodeRegistration localAPIEndpoint certificateKey skipPhases patches timeouts',
      ),
    },
    { path: ['nodeRegistration'], keys: NODE },
    { path: ['localAPIEndpoint'], keys: words('advertiseAddress bindPort') },
  ],
  JoinConfiguration: [
    {
      path: [],
      keys: words('apiVersion kind metadata dryRun caCertPath discovery nodeRegistration controlPlane skipPhases patches timeouts'),
    },
    { path: ['discovery'], keys: words('bootstrapToken file tlsBootstrapToken timeout') },
    { path: ['discovery', 'bootstrapToken'], keys: words('token apiServerEndpoint caCertHashes unsafeSkipCAVerification') },
    { path: ['nodeRegistration'], keys: NODE },
    { path: ['controlPlane'], keys: words('localAPIEndpoint certificateKey') },
    { path: ['controlPlane', 'localAPIEndpoint'], keys: words('advertiseAddress bindPort') },
  ],
};

/** Where each field belongs, by its name: the first place that has it. */
const PLACES: ReadonlyMap<string, string> = new Map(
  Object.entries(KUBEADM_FIELDS)
    .flatMap(([kind, parts]) =>
      parts.flatMap(({ path, keys }) => keys.map((key): [string, string] => [key, `${[...path, key].join('.')} of ${kind}`])),
    )
    .toReversed(),
);

function* kubeadmFields(facts: Facts): Iterable<Hit> {
  for (const document of documentsOf(facts, KUBEADM, ...Object.keys(KUBEADM_FIELDS))) {
    // Older formats had other fields, and have a finding of their own.
    if (!/v1beta[234]$/.test(document.apiVersion)) continue;
    for (const { path, keys } of KUBEADM_FIELDS[document.kind] ?? []) yield* misnamed(document, { path, keys });
  }
}

function* misnamed(document: YamlDocument, { path, keys }: { path: Path; keys: readonly string[] }): Iterable<Hit> {
  for (const key of Object.keys(mapAt(document.value, path))) {
    if (keys.includes(key)) continue;
    const at = document.span([...path, key], 'key');
    const place = PLACES.get(key);
    const meant = nearest(key, keys);
    if (place !== undefined) yield { at, message: `${[...path, key].join('.')} is no field of ${document.kind}; it belongs to ${place}` };
    else if (meant !== undefined) yield { at, message: `${[...path, key].join('.')} is no field; ${meant} may be meant` };
  }
}

/** Keys of KubeletConfiguration (kubelet.config.k8s.io/v1beta1). */
const KUBELET_KEYS = words(
  'apiVersion kind metadata enableServer staticPodPath podLogsDir syncFrequency fileCheckFrequency httpCheckFrequency staticPodURL staticPodURLHeader address port readOnlyPort tlsCertFile tlsPrivateKeyFile tlsCipherSuites tlsMinVersion tlsCurvePreferences rotateCertificates serverTLSBootstrap authentication authorization registryPullQPS registryBurst imagePullCredentialsVerificationPolicy preloadedImagesVerificationAllowlist eventRecordQPS eventBurst enableDebuggingHandlers enableContentionProfiling healthzPort healthzBindAddress oomScoreAdj clusterDomain clusterDNS streamingConnectionIdleTimeout nodeStatusUpdateFrequency nodeStatusReportFrequency nodeLeaseDurationSeconds imageMinimumGCAge imageMaximumGCAge imageGCHighThresholdPercent imageGCLowThresholdPercent volumeStatsAggPeriod kubeletCgroups systemCgroups cgroupRoot cgroupsPerQOS cgroupDriver cpuManagerPolicy singleProcessOOMKill cpuManagerPolicyOptions cpuManagerReconcilePeriod memoryManagerPolicy topologyManagerPolicy topologyManagerScope topologyManagerPolicyOptions qosReserved runtimeRequestTimeout hairpinMode maxPods podCIDR podPidsLimit resolvConf runOnce cpuCFSQuota cpuCFSQuotaPeriod nodeStatusMaxImages maxOpenFiles contentType kubeAPIQPS kubeAPIBurst serializeImagePulls maxParallelImagePulls evictionHard evictionSoft evictionSoftGracePeriod evictionPressureTransitionPeriod evictionMaxPodGracePeriod evictionMinimumReclaim mergeDefaultEvictionSettings podsPerCore enableControllerAttachDetach protectKernelDefaults makeIPTablesUtilChains iptablesMasqueradeBit iptablesDropBit featureGates failSwapOn memorySwap containerLogMaxSize containerLogMaxFiles containerLogMaxWorkers containerLogMonitorInterval configMapAndSecretChangeDetectionStrategy systemReserved kubeReserved reservedSystemCPUs showHiddenMetricsForVersion systemReservedCgroup kubeReservedCgroup enforceNodeAllocatable allowedUnsafeSysctls volumePluginDir providerID kernelMemcgNotification logging enableSystemLogHandler enableSystemLogQuery shutdownGracePeriod shutdownGracePeriodCriticalPods shutdownGracePeriodByPodPriority crashLoopBackOff reservedMemory enableProfilingHandler enableDebugFlagsHandler seccompDefault memoryThrottlingFactor registerWithTaints registerNode tracing localStorageCapacityIsolation containerRuntimeEndpoint imageServiceEndpoint userNamespaces',
);

/** Keys of k3s' and RKE2's settings that one is likely to write by hand. */
const K3S_KEYS = words(
  'agent-token agent-token-file advertise-address advertise-port bind-address cluster-cidr cluster-dns cluster-domain cluster-init cluster-reset cni config data-dir datastore-cafile datastore-certfile datastore-endpoint datastore-keyfile debug disable disable-apiserver disable-cloud-controller disable-controller-manager disable-etcd disable-helm-controller disable-kube-proxy disable-network-policy disable-scheduler docker egress-selector-mode embedded-registry etcd-arg etcd-disable-snapshots etcd-expose-metrics etcd-s3 etcd-s3-access-key etcd-s3-bucket etcd-s3-config-secret etcd-s3-endpoint etcd-s3-endpoint-ca etcd-s3-folder etcd-s3-insecure etcd-s3-proxy etcd-s3-region etcd-s3-retention etcd-s3-secret-key etcd-s3-session-token etcd-s3-skip-ssl-verify etcd-s3-timeout etcd-snapshot-compress etcd-snapshot-dir etcd-snapshot-name etcd-snapshot-reconcile-interval etcd-snapshot-retention etcd-snapshot-schedule-cron flannel-backend flannel-conf flannel-cni-conf flannel-external-ip flannel-iface flannel-ipv6-masq helm-job-image https-listen-port kine-tls kube-apiserver-arg kube-cloud-controller-manager-arg kube-controller-manager-arg kube-proxy-arg kube-scheduler-arg kubelet-arg lb-server-port log multus node-external-dns node-external-ip node-internal-dns node-ip node-label node-name node-taint nonroot-devices pause-image prefer-bundled-bin private-registry profile protect-kernel-defaults resolv-conf rootless secrets-encryption secrets-encryption-provider selinux server service-cidr service-node-port-range servicelb-namespace snapshotter supervisor-metrics system-default-registry tls-san tls-san-security token token-file v vmodule vpn-auth vpn-auth-file with-node-id write-kubeconfig write-kubeconfig-group write-kubeconfig-mode alsologtostderr audit-policy-file airgap-extra-registry cloud-provider-config cloud-provider-name container-runtime-endpoint control-plane-resource-limits control-plane-resource-requests control-plane-probe-configuration disable-agent disable-default-registry-endpoint enable-servicelb etcd-image etcd-proxy extra-mount ingress-controller image-credential-provider-bin-dir image-credential-provider-config image-service-endpoint kube-apiserver-extra-env kube-apiserver-extra-mount kube-apiserver-image kubelet-path kube-proxy-extra-env node-name-from-cloud-provider-metadata no-deploy pod-security-admission-config-file runtime-image default-local-storage-path default-runtime enable-pprof',
);

export const fieldNameRules: readonly Rule[] = [
  {
    id: 'kubeadm-field-misnamed',
    severity: 'error',
    title: 'a field of the kubeadm configuration is misspelt, or stands in the wrong place',
    why: 'kubeadm warns of an unknown field in one line of many and goes on without it: the cluster comes up without the setting.',
    fix: 'Correct the name or the indentation; kubeadm config validate --config FILE tells the same.',
    sources: ['kubernetes.io/docs/reference/config-api/kubeadm-config.v1beta4'],
    examples: {
      bad: [
        { 'kubeadm.yaml': clusterConfiguration('controlPlaneEndpont: api:6443\n') },
        { 'kubeadm.yaml': clusterConfiguration('podSubnet: 10.244.0.0/16\n') },
        { 'kubeadm.yaml': kubeadm('InitConfiguration', 'controlPlaneEndpoint: api:6443\n') },
      ],
      good: [{ 'kubeadm.yaml': clusterConfiguration('networking: {podSubnet: 10.244.0.0/16}\nsomethingOfTomorrow: 1\n') }],
    },
    check: kubeadmFields,
  },
  {
    id: 'kubelet-key-misspelt',
    severity: 'error',
    title: 'a key of KubeletConfiguration is misspelt',
    why: 'The kubelet either does not start with it, or goes on with its default, by its version.',
    fix: 'Correct the name.',
    sources: ['kubernetes.io/docs/reference/config-api/kubelet-config.v1beta1'],
    examples: {
      bad: [{ 'kubelet.yaml': 'apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\ncgroupDrivers: systemd\n' }],
      good: [
        {
          'kubelet.yaml':
            'apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\ncgroupDriver: systemd\nwhollyNewMatter: 1\n',
        },
      ],
    },
    *check(facts) {
      for (const document of documentsOf(facts, 'kubelet.config.k8s.io/', 'KubeletConfiguration'))
        for (const key of Object.keys(mapAt(document.value, []))) {
          const meant = KUBELET_KEYS.includes(key) ? undefined : nearest(key, KUBELET_KEYS);
          if (meant !== undefined && editDistance(key, meant) <= 2)
            yield { at: document.span([key], 'key'), message: `${key} is no key; ${meant} may be meant` };
        }
    },
  },
  {
    id: 'k3s-key-misspelt',
    severity: 'error',
    title: 'a key of the settings of k3s or RKE2 is misspelt',
    why: 'Unknown keys are passed over with a line in the log: the server runs without the setting.',
    fix: 'Correct the name: keys are the flags of the command line without their dashes.',
    sources: ['docs.k3s.io/installation/configuration', 'docs.rke2.io/reference/server_config'],
    examples: {
      bad: [{ '/etc/rancher/k3s/config.yaml': 'cluster-init: true\ntls-sans: [api]\n' }],
      good: [{ '/etc/rancher/k3s/config.yaml': 'cluster-init: true\ntls-san: [api]\nwholly-new-matter: 1\n' }],
    },
    *check(facts) {
      for (const { flags } of programsNamed(facts, 'k3s', 'rke2').filter(({ origin }) => origin === 'flag-file'))
        for (const { name, span } of flags) {
          // Another key of the same family is a few letters away; a slip is one or two.
          const meant = K3S_KEYS.includes(name) ? undefined : nearest(name, K3S_KEYS);
          if (meant !== undefined && editDistance(name, meant) <= 2)
            yield { at: span, message: `${name} is no key; ${meant} may be meant` };
        }
    },
  },
];
