import type { Part } from '../part.ts';

export const kubeVipPart: Part = {};
