import { parseDocument } from 'yaml';

/** Host, in brackets where it is an IPv6 address, and port. */
const HTTPS_URL = /^https:\/\/(\[[^\]]+\]|[^:/]+)(?::(\d+))?/;

/**
 * Client URLs of the members that kubeadm's static pod of etcd (etc/kubernetes/manifests/etcd.yaml) knows: its own, and those of the members that it was started
 * beside, which it names by their peer URLs. Empty when the text is no such manifest.
 */
export function etcdUrlsOf(manifest: string): string[] {
  const pod = parseDocument(manifest).toJS() as Pod | null;
  const command = pod?.spec?.containers?.flatMap((container) => container?.command ?? []) ?? [];
  const words = command.filter((word): word is string => typeof word === 'string');
  const flag = (name: string) => words.find((word) => word.startsWith(`--${name}=`))?.slice(name.length + 3) ?? '';
  const own = listOf(flag('advertise-client-urls'));
  const port = HTTPS_URL.exec(own[0] ?? '')?.[2] ?? '2379';
  const others = listOf(flag('initial-cluster')).flatMap((member) => {
    const host = HTTPS_URL.exec(member.split('=')[1] ?? '')?.[1];
    return host === undefined ? [] : `https://${host}:${port}`;
  });
  return [...new Set([...own, ...others])];
}

interface Pod {
  spec?: { containers?: ({ command?: unknown[] } | null)[] };
}

function listOf(value: string): string[] {
  return value.split(',').filter((part) => part !== '');
}
