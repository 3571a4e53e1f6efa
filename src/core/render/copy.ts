import type { Part, Step } from './part.ts';

const HERE = { moment: 'prepare', where: 'the folder that holds this one' } as const;

/** How the files get onto the hosts: before everything else. */
export const copyPart: Part = {
  steps: ({ distribution }) => [...(distribution === 'systemd' ? [certificates] : []), copying],
};

/** The other distributions make their own. */
const certificates: Step = {
  ...HERE,
  text: 'Make keys, certificates and kubeconfigs of the control plane, in the same folders; not if you have those of kubeadm.',
  commands: ['hale certificates create CLUSTER.YAML --out .'],
};

const copying: Step = {
  ...HERE,
  text: "Copy each host's folder onto it, with its permissions. Some files hold keys: let nobody else read the folders.",
  commands: [
    'for host in */; do host=${host%/}; [ "$host" = _cluster ] || tar -C "$host" --exclude=./manifest.json --owner=root --group=root -cf - . | ssh "root@$host" tar -C / --no-overwrite-dir -xpf -; done',
  ],
};
