import type { Part } from './part.ts';

/** How the files get onto the hosts: before everything else. */
export const copyPart: Part = {
  steps: () => [
    {
      moment: 'prepare',
      where: 'where these files are',
      text: "Copy each host's folder onto it, with its permissions. Some files hold keys: let nobody else read the folders.",
      commands: [
        'for host in */; do host=${host%/}; [ "$host" = _cluster ] || tar -C "$host" --exclude=./manifest.json --owner=root --group=root -cf - . | ssh "root@$host" tar -C / --no-overwrite-dir -xpf -; done',
      ],
    },
  ],
};
