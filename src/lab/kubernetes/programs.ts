/** The Kubernetes programs of a lab: which they are, and where they are looked for. */
import { HaleError } from '../../base/error.ts';
import { runOrFail } from '../command.ts';
import { findProgram } from '../find-program.ts';
import { programCache } from '../program-cache.ts';

/** What `npm run kubernetes:get` gets. test/kubernetes/go.mod and the default of cluster.yaml say the same. */
export const KUBERNETES_VERSION = 'v1.36.4';

/** Without these a lab has no control plane. */
export const CONTROL_PLANE_PROGRAMS = ['kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kubectl'] as const;
/** For tests beside a lab. */
export const OTHER_PROGRAMS = ['kubeadm', 'kubelet'] as const;

export type KubernetesProgram = (typeof CONTROL_PLANE_PROGRAMS)[number] | (typeof OTHER_PROGRAMS)[number];

/** Programs of one release, by their paths. */
export interface Kubernetes {
  version: string;
  programs: Record<(typeof CONTROL_PLANE_PROGRAMS)[number], string>;
}

/** The words that start kubectl on a host of a lab: what it learns of an API server goes with the host. */
export function kubectlArgv({ programs }: Kubernetes): string[] {
  return [programs.kubectl, '--cache-dir=/run/kubectl'];
}

/** Where `npm run kubernetes:get` puts programs. */
export function kubernetesCache(): string {
  return programCache('kubernetes', KUBERNETES_VERSION);
}

/** What `--kubernetes` takes instead of a folder. */
export const STAND_IN = 'stand-in';

/** The programs in the folder `wanted`, or else on PATH, or else in the cache, all from one place; or why there are none. A HaleError when a folder that was asked for lacks one. */
export async function findKubernetes(wanted: string | undefined): Promise<Kubernetes | { missing: string }> {
  if (wanted === STAND_IN) return { missing: 'a stand-in was asked for' };
  if (wanted !== undefined) {
    const { found, lacking } = programsIn([wanted]);
    if (found !== undefined) return await withVersion(found);
    throw new HaleError({
      code: 'lab_kubernetes_not_found',
      kind: 'usage',
      message: `no executable ${lacking.join(', ')} in ${wanted}`,
      remedy: `name a folder with all of ${CONTROL_PLANE_PROGRAMS.join(', ')}, say ${STAND_IN}, or leave the option out`,
    });
  }
  const found = programsIn().found ?? programsIn([kubernetesCache()]).found;
  if (found !== undefined) return await withVersion(found);
  return { missing: `no kube-apiserver on PATH or in ${kubernetesCache()}; \`npm run kubernetes:get\` gets one` };
}

/** Of a program that only tests need; undefined when it is nowhere. */
export function findKubernetesProgram(program: KubernetesProgram): string | undefined {
  return findProgram(program) ?? findProgram(program, [kubernetesCache()]);
}

function programsIn(folders?: string[]): { found: Kubernetes['programs'] | undefined; lacking: string[] } {
  const paths = CONTROL_PLANE_PROGRAMS.map((program) => [program, findProgram(program, folders)] as const);
  const lacking = paths.filter(([, path]) => path === undefined).map(([program]) => program);
  return { found: lacking.length === 0 ? (Object.fromEntries(paths) as Kubernetes['programs']) : undefined, lacking };
}

/** The API server's version is the control plane's. */
async function withVersion(programs: Kubernetes['programs']): Promise<Kubernetes> {
  const said = await runOrFail([programs['kube-apiserver'], '--version']);
  return { version: said.trim().replace(/^Kubernetes /, ''), programs };
}
