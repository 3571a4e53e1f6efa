import { K3S } from '../rancher/flavour.ts';
import { rancherPart } from '../rancher/part.ts';

export const k3sPart = rancherPart(K3S);
