import { join } from 'node:path';
import { all } from './command.ts';
import { writeConfiguration } from './configuration.ts';
import { writeJson } from './folder.ts';
import { type Lab, openLab } from './lab.ts';
import { type LabDatapath, withDatapath } from './plan.ts';
import { stopDaemon } from './stop.ts';

/** Gives a lab that runs another datapath: its API servers and agents stop, and start again as cluster.yaml then says. The lab given is out of date afterwards. */
export async function switchDatapath(lab: Lab, datapath: LabDatapath): Promise<Lab> {
  if (lab.plan.datapath === datapath) return lab;
  for (const daemon of ['agent', 'apiserver']) await all(lab.controlPlane.map((host) => stopDaemon(host, daemon)));
  const plan = withDatapath(lab.plan, datapath);
  writeJson(join(lab.folder, 'lab.json'), plan);
  writeConfiguration(plan, (host) => lab.host(host).folder);
  const changed = openLab(plan.name);
  await changed.startApiservers();
  await changed.startAgents();
  return changed;
}
