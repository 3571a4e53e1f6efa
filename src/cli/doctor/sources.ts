import { HaleError } from '../../base/error.ts';
import { readCluster } from '../../core/cluster/read.ts';
import { type Found, readFiles } from '../../drivers/doctor/files.ts';
import { readLive } from '../../drivers/doctor/live.ts';
import { readHosts } from '../../drivers/doctor/ssh.ts';
import { createKubernetesClient } from '../../drivers/kubernetes/client.ts';
import { renderedClusterFiles, renderedFiles } from './described.ts';

/** Where hale doctor looks. */
export interface SourceOptions {
  cluster?: string;
  kubeconfig?: string;
  ssh?: string[];
  sshOption: string[];
}

/** What is looked at together, and by itself what hale would render: next to the files that are there now it would be a second cluster. */
export interface Sources {
  found: Found;
  rendered: Found;
  /** The files that can be mended. */
  onDisk: Found;
}

const NOTHING: Found = { files: [], troubles: [], passedOver: 0 };

export async function readSources(names: readonly string[], { cluster, kubeconfig, ssh, sshOption }: SourceOptions): Promise<Sources> {
  if (names.length === 0 && cluster === undefined && kubeconfig === undefined && ssh === undefined) throw nothingNamed();
  const onDisk = readFiles([...names, ...(cluster === undefined ? [] : [cluster])]);
  const live = kubeconfig === undefined ? NOTHING : await readLiveCluster(kubeconfig);
  const remote = ssh === undefined ? NOTHING : await readHosts({ hosts: ssh, options: sshOption });
  const all = [onDisk, live, remote];
  return {
    onDisk,
    rendered: cluster === undefined ? NOTHING : renderedOf(onDisk, cluster),
    found: {
      files: all.flatMap(({ files }) => files),
      troubles: all.flatMap(({ troubles }) => troubles),
      passedOver: onDisk.passedOver,
    },
  };
}

/** Nothing of a description that is not good: that is told of it. All control-plane hosts and balancers; workers get the same files. */
function renderedOf({ files }: Found, path: string): Found {
  const description = files.find(({ file }) => file.path === path)?.file.text ?? '';
  const result = readCluster(description, path);
  if (!result.ok) return NOTHING;
  const { cluster } = result;
  const own = renderedFiles({ cluster, description }, ({ role, index }) => role !== 'worker' || index === 0);
  return { ...NOTHING, files: [...own, ...renderedClusterFiles(cluster)] };
}

async function readLiveCluster(kubeconfig: string): Promise<Found> {
  const client = createKubernetesClient({ kubeconfig });
  try {
    return await readLive(client);
  } finally {
    client.close();
  }
}

function nothingNamed(): HaleError {
  return new HaleError({
    code: 'doctor_nothing_named',
    kind: 'usage',
    message: 'nothing was named to look at',
    remedy:
      'name files or folders, such as /etc/haproxy /etc/keepalived /etc/kubernetes, or - for standard input; or use --cluster, --kubeconfig or --ssh',
  });
}
