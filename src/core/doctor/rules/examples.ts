/* Short files that examples of many rules are made of. */

/** One document of kubeadm's, without the marks around it. */
export function kubeadm(kind: string, lines = '', version = 'v1beta4'): string {
  return `apiVersion: kubeadm.k8s.io/${version}\nkind: ${kind}\n${lines}`;
}

export const clusterConfiguration = (lines = '', version = 'v1beta4'): string => kubeadm('ClusterConfiguration', lines, version);

/** A static pod with one container; `more` are further lines of its spec. */
export function staticPod(
  name: string,
  { image, command, more = '' }: { image?: string; command: readonly string[]; more?: string },
): string {
  const items = command.map((word) => `    - ${word}\n`).join('');
  const ofImage = image === undefined ? '' : `    image: ${image}\n`;
  return `apiVersion: v1\nkind: Pod\nmetadata:\n  name: ${name}\n  namespace: kube-system\nspec:\n  hostNetwork: true\n  containers:\n  - name: ${name}\n${ofImage}    command:\n${items}${more}`;
}

/** Variables of kube-vip in ARP mode that leave nothing to find. */
const ARP: Readonly<Record<string, string>> = {
  vip_arp: 'true',
  vip_interface: 'eth0',
  vip_subnet: '32',
  cp_enable: 'true',
  vip_leaderelection: 'true',
  vip_leaseduration: '15',
  vip_renewdeadline: '10',
  vip_retryperiod: '2',
  address: '10.0.0.100',
};

interface KubeVip {
  /** Changed or more variables; `undefined` leaves one out. */
  env?: Readonly<Record<string, string | undefined>>;
  image?: string;
  /** Further lines of its spec. */
  more?: string;
  securityContext?: string;
}

/** kube-vip's container and what is around it, below `spec:` and indented by two. */
function kubeVipSpec({ env = {}, image = 'ghcr.io/kube-vip/kube-vip:v1.2.3', more = '', securityContext }: KubeVip): string {
  const context = securityContext ?? 'capabilities: {add: [NET_ADMIN, NET_RAW], drop: [ALL]}';
  const variables = Object.entries({ ...ARP, ...env }).filter((entry): entry is [string, string] => entry[1] !== undefined);
  const lines = variables.map(([name, value]) => `    - {name: ${name}, value: ${JSON.stringify(value)}}\n`).join('');
  return `  hostNetwork: true\n${more}  containers:\n  - name: kube-vip\n    image: ${image}\n    imagePullPolicy: IfNotPresent\n    args: [manager]\n    securityContext: {${context}}\n    env:\n${lines}`;
}

export const HOST_ALIAS = '  hostAliases: [{ip: 127.0.0.1, hostnames: [kubernetes]}]\n';

export function kubeVip(options: KubeVip = {}): string {
  return `apiVersion: v1\nkind: Pod\nmetadata: {name: kube-vip, namespace: kube-system}\nspec:\n${kubeVipSpec(options)}`;
}

export function kubeVipDaemonSet(options: KubeVip = {}): string {
  const spec = kubeVipSpec(options).replaceAll(/^(?=.)/gm, '    ');
  return `apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: kube-vip-ds, namespace: kube-system}\nspec:\n  template:\n    spec:\n${spec}`;
}
