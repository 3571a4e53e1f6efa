import type { RenderedFile } from '../file.ts';
import { HAPROXY_OPEN_FILES } from '../haproxy.ts';
import { SPARED } from '../systemd/unit.ts';

/** What the packages' own units lack, as drop-ins that outlive their upgrades. */
export function unitDropIns(): RenderedFile[] {
  const haproxy = `# Made by hale from cluster.yaml.
[Unit]
# Until the authority's certificate is there it ends at once, and is to go on trying.
StartLimitIntervalSec=0

[Service]
# /run is empty after a boot, and the control socket is in there.
RuntimeDirectory=haproxy
# Two for each connection; the default of a service is 1024 where HAProxy cannot raise it itself.
LimitNOFILE=${HAPROXY_OPEN_FILES}
Restart=always
RestartSec=1
${SPARED}
`;
  const keepalived = `# Made by hale from cluster.yaml.
[Unit]
After=haproxy.service
StartLimitIntervalSec=0

[Service]
# When it is killed the address stays on this host while another one takes it too; a new start takes it off.
Restart=always
RestartSec=1
${SPARED}
`;
  return Object.entries({ haproxy, keepalived }).map(([name, text]) => ({
    path: `/etc/systemd/system/${name}.service.d/hale.conf`,
    text,
    mode: 0o644,
  }));
}
