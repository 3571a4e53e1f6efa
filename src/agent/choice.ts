/** Finds out which datapaths are possible on this host, and chooses. */
import { HaleError } from '../base/error.ts';
import { type Against, againstBy, chooseDatapath, type Choice, type DatapathName } from '../core/balancer/choice.ts';
import { cloudOf } from '../core/balancer/obstacles.ts';
import type { Cluster } from '../core/cluster/schema.ts';
import { readMachineFacts } from '../drivers/linux/network-facts.ts';
import { checkNft } from '../drivers/linux/nft-program.ts';
import type { Log } from '../ports/log.ts';

export interface ChoiceOptions {
  cluster: Cluster;
  /** What nft would be given for a datapath. */
  scripts: Partial<Record<DatapathName, string>>;
  log: Log;
}

/** Throws HaleError `datapath_impossible`: what is asked for cannot be had here, or nothing can. */
export function chooseHere({ cluster, scripts, log }: ChoiceOptions): Choice {
  const against = againstHere(cluster, scripts);
  const choice = chooseDatapath(cluster.datapath, against);
  const reason = choice && against[choice.datapath];
  if (choice === undefined || reason !== undefined) {
    const all = Object.entries(against).map(([name, words]) => `${name}: ${words}`);
    throw new HaleError({
      code: 'datapath_impossible',
      kind: 'world',
      message: `no datapath for datapath: ${cluster.datapath} on this host: ${reason ?? all.join('; ')}`,
      remedy: 'Choose another one with `datapath` in cluster.yaml, or `datapath: auto`; or mend what stands against it.',
    });
  }
  log.info({ datapath: choice.datapath, because: choice.because }, 'datapath chosen');
  return choice;
}

function againstHere(cluster: Cluster, scripts: ChoiceOptions['scripts']): Against {
  const against = againstBy(cluster);
  const cloud = cloudOf(readMachineFacts());
  // Whoever asks for it knows that network.
  if (cloud !== undefined && cluster.datapath === 'auto') {
    against.dsr ??= `this machine is in ${cloud}, whose network commonly drops frames with the MAC address of another machine`;
  }
  for (const [name, script] of Object.entries(scripts) as [DatapathName, string][]) {
    const checked = checkNft(script);
    if (!checked.ok) against[name] ??= checked.reason;
  }
  return against;
}
