import type { Part } from '../part.ts';

export const kubeadmPart: Part = {};
