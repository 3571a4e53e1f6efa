import type { Span, TextFile } from '../text-file.ts';

/** Lines `key = value` of a file in sysctl.d (sysctl.d(5)). */
export interface SysctlFile {
  file: TextFile;
  settings: readonly { /** With dots. */ key: string; value: string; span: Span; valueSpan: Span }[];
}

export function readSysctl(file: TextFile): SysctlFile {
  return { file, settings: [] };
}
