import type { RenderedFile } from '../file.ts';
import type { Service } from '../service.ts';
import { configurationWord } from './quoting.ts';

/** Who the daemons run as (sysusers.d(5)), and the folders that are theirs (tmpfiles.d(5)). systemd makes both at boot; see docs/guide/systemd.md for the first time. */
export function accountFiles(services: readonly Service[]): RenderedFile[] {
  const users = services.filter(({ user }) => user !== 'root').map(({ user, description }) => `u ${user} - "${description}"`);
  const folders = services.flatMap(({ user, writes }) =>
    writes.map(configurationWord).flatMap((folder) => [
      `d ${folder} 0700 ${user} ${user}`,
      // What an etcd that ran as root, for example kubeadm's, has left there.
      ...(user === 'root' ? [] : [`Z ${folder} - ${user} ${user}`]),
    ]),
  );
  return [
    { path: '/etc/sysusers.d/hale.conf', text: lines(users), mode: 0o644 },
    { path: '/etc/tmpfiles.d/hale.conf', text: lines(folders), mode: 0o644 },
  ];
}

function lines(text: readonly string[]): string {
  return `${['# Made by hale from cluster.yaml.', ...text].join('\n')}\n`;
}
