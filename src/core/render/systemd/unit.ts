import type { RenderedFile } from '../file.ts';
import type { Service } from '../service.ts';

/** Nothing but `writes` can be changed, and nothing of the machine's but what the daemon needs be seen (systemd.exec(5), "Sandboxing"). */
const HARDENING = [
  'NoNewPrivileges=yes',
  'ProtectSystem=strict',
  'ProtectHome=yes',
  'PrivateTmp=yes',
  'PrivateDevices=yes',
  'ProtectClock=yes',
  'ProtectHostname=yes',
  'ProtectKernelLogs=yes',
  'ProtectKernelModules=yes',
  'ProtectKernelTunables=yes',
  'ProtectControlGroups=yes',
  'ProtectProc=invisible',
  'RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK',
  'RestrictNamespaces=yes',
  'RestrictRealtime=yes',
  'RestrictSUIDSGID=yes',
  'LockPersonality=yes',
  'MemoryDenyWriteExecute=yes',
  'SystemCallArchitectures=native',
  'SystemCallFilter=@system-service',
  'SystemCallErrorNumber=EPERM',
  'UMask=0077',
];

/** The unit file of a daemon (systemd.service(5)). */
export function unitFile(service: Service, binDir: string): RenderedFile {
  const { name, description, documentation, after, type, program, writes, stopTimeoutSeconds, capabilities, extra } = service;
  const command = [`${binDir}/${program}`, ...service.arguments].map(quote).join(' \\\n  ');
  const text = `# Made by hale from cluster.yaml.
[Unit]
Description=${description}
Documentation=${documentation}
Wants=network-online.target
After=${after.join(' ')}

[Service]
Type=${type}
ExecStart=${command}
Restart=always
RestartSec=2
TimeoutStopSec=${stopTimeoutSeconds}
${[
  `CapabilityBoundingSet=${capabilities.join(' ')}`,
  ...(writes.length === 0 ? [] : [`ReadWritePaths=${writes.join(' ')}`]),
  ...extra,
  ...HARDENING,
].join('\n')}

[Install]
WantedBy=multi-user.target
`;
  return { path: `/etc/systemd/system/${name}.service`, text, mode: 0o644 };
}

/** systemd reads `%` and `$` in commands (systemd.service(5), "Command lines"). */
function quote(word: string): string {
  const escaped = word.replaceAll('%', '%%').replaceAll('$', '$$$$');
  return /^[\w@%+=:,./$*[\]-]+$/.test(escaped) ? escaped : `"${escaped.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}
