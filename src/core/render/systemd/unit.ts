import type { RenderedFile } from '../file.ts';
import type { Service } from '../service.ts';
import { commandWord, configurationWord, restOfLine } from './quoting.ts';

/** When memory runs out, Pods go first: what kubelet gives a static Pod of the control plane (kubernetes.io, "Node-pressure Eviction"). */
export const SPARED = 'OOMScoreAdjust=-997';

/** Nothing but `writes` can be changed, and nothing of the machine's but what the daemon needs be seen (systemd.exec(5), "Sandboxing"). */
const HARDENING: Readonly<Record<string, string>> = {
  NoNewPrivileges: 'yes',
  ProtectSystem: 'strict',
  ProtectHome: 'yes',
  PrivateTmp: 'yes',
  PrivateMounts: 'yes',
  PrivateDevices: 'yes',
  ProtectClock: 'yes',
  ProtectHostname: 'yes',
  ProtectKernelLogs: 'yes',
  ProtectKernelModules: 'yes',
  ProtectKernelTunables: 'yes',
  ProtectControlGroups: 'yes',
  // The rest of /proc stays: Go asks /proc/sys/net/core/somaxconn how many connections may wait, and would settle for 128.
  ProtectProc: 'invisible',
  RemoveIPC: 'yes',
  RestrictAddressFamilies: 'AF_INET AF_INET6 AF_UNIX AF_NETLINK',
  RestrictNamespaces: 'yes',
  RestrictRealtime: 'yes',
  RestrictSUIDSGID: 'yes',
  LockPersonality: 'yes',
  MemoryDenyWriteExecute: 'yes',
  SystemCallArchitectures: 'native',
  SystemCallFilter: '@system-service',
  SystemCallErrorNumber: 'EPERM',
  UMask: '0077',
};

/** The unit file of a daemon (systemd.service(5)); systemd 247 or newer. */
export function unitFile(service: Service, binDir: string): RenderedFile {
  const { name, description, documentation, after, type, user, writes, stopTimeoutSeconds } = service;
  const unit = [
    `Description=${description}`,
    ...(documentation === undefined ? [] : [`Documentation=${documentation}`]),
    'Wants=network-online.target',
    `After=${after.join(' ')}`,
    // Not on the empty folder that its disk would be mounted at.
    ...(writes.length === 0 ? [] : [`RequiresMountsFor=${writes.map(configurationWord).join(' ')}`]),
    // However often it dies, it is started again.
    'StartLimitIntervalSec=0',
    ...service.unit,
  ];
  const lines = [
    `Type=${type}`,
    `User=${user}`,
    `ExecStart=${command(service, binDir).join(' \\\n  ')}`,
    ...filesRead(service).map((path) => `LoadCredential=${credentialName(path)}:${restOfLine(path)}`),
    // etcd is ready once a majority of its members is, and they may be started hours apart.
    ...(type === 'notify' ? ['TimeoutStartSec=infinity'] : []),
    'Restart=always',
    'RestartSec=1',
    `TimeoutStopSec=${stopTimeoutSeconds}`,
    ...capabilityLines(service),
    ...(writes.length === 0 ? [] : [`ReadWritePaths=${writes.map(configurationWord).join(' ')}`]),
    ...service.extra,
    ...Object.entries({ ...HARDENING, ...service.hardening }).flatMap(([key, value]) => (value === null ? [] : [`${key}=${value}`])),
  ];
  const text = [
    '# Made by hale from cluster.yaml.',
    '[Unit]',
    ...unit,
    '',
    '[Service]',
    ...lines,
    '',
    '[Install]',
    'WantedBy=multi-user.target',
  ];
  return { path: `/etc/systemd/system/${name}.service`, text: `${text.join('\n')}\n`, mode: 0o644 };
}

/** Only root keeps the capabilities of its bounding set by itself. */
function capabilityLines({ user, capabilities }: Service): string[] {
  const list = capabilities.join(' ');
  return [`CapabilityBoundingSet=${list}`, ...(user === 'root' || capabilities.length === 0 ? [] : [`AmbientCapabilities=${list}`])];
}

const FILE_FLAG = /^(--[\w-]+)=(\/.*)$/s;

/**
 * systemd reads the files as root, and gives the daemon alone a copy (systemd.exec(5), "Credentials"). So keys stay root's with mode 0600 in the tree that
 * kubeadm lays out, without a group that could read more than it should. A certificate and its key change together, when the daemon is restarted.
 */
function command(service: Service, binDir: string): string[] {
  const read = new Set(filesRead(service));
  const words = service.arguments.map((argument) => {
    const [, flag, path] = FILE_FLAG.exec(argument) ?? [];
    // Every systemd that has credentials fills in the variable; its specifier %d came later.
    return path !== undefined && read.has(path) ? `${flag}=\${CREDENTIALS_DIRECTORY}/${credentialName(path)}` : commandWord(argument);
  });
  // In the program's path a dollar is one.
  return [configurationWord(`${binDir}/${service.program}`), ...words];
}

function filesRead({ arguments: words, writes }: Service): string[] {
  const paths = words.flatMap((word) => FILE_FLAG.exec(word)?.[2] ?? []);
  return [...new Set(paths)].filter((path) => !writes.some((folder) => path === folder || path.startsWith(`${folder}/`)));
}

/** `/etc/kubernetes/pki/sa.key` is `etc-kubernetes-pki-sa.key`. */
function credentialName(path: string): string {
  return path.slice(1).replaceAll(/[^\w.-]/g, '-');
}
