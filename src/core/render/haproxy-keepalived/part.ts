import type { Part } from '../part.ts';

export const haproxyKeepalivedPart: Part = {};
