import { RKE2 } from '../rancher/flavour.ts';
import { rancherPart } from '../rancher/part.ts';

export const rke2Part = rancherPart(RKE2);
