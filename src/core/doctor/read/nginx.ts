import type { KeepalivedEntry } from './keepalived.ts';
import type { TextFile } from '../text-file.ts';

/** nginx.conf as a tree of directives: words, and a block where there are braces (nginx.org, "Configuration file structure"). */
export interface NginxConfig {
  file: TextFile;
  entries: readonly KeepalivedEntry[];
}

export function readNginx(file: TextFile): NginxConfig {
  return { file, entries: [] };
}
