import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Path of an executable. Folders of system programs are searched too, although the PATH of an ordinary user often lacks them. */
export function findProgram(name: string, folders = systemPath()): string | undefined {
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

function systemPath(): string[] {
  return [...(process.env['PATH'] ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin'].filter((folder) => folder !== '');
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
