import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { HaleError } from '../../base/error.ts';
import type { DataFolder } from '../../core/etcd/data-folder/data-folder.ts';
import { WalScan } from '../../core/etcd/data-folder/wal.ts';

/** Reads the write-ahead log below a data folder, and changes nothing. HaleError `etcd_data_unreadable` when there is none, or a broken one. */
export function readDataFolder(folder: string): DataFolder {
  const wal = join(folder, 'member', 'wal');
  try {
    const files = readdirSync(wal)
      .filter((name) => name.endsWith('.wal'))
      .toSorted();
    if (files.length === 0) throw new Error('there is no log in it');
    const scan = new WalScan();
    for (const [i, name] of files.entries()) {
      if (!scan.file(readFileSync(join(wal, name)), { isLast: i === files.length - 1 })) throw new Error(`${name}: ${scan.problem}`);
    }
    return scan.found;
  } catch (error) {
    throw new HaleError({
      code: 'etcd_data_unreadable',
      kind: 'world',
      message: `${wal}: ${(error as Error).message}`,
      remedy: 'etcd would not start from it either; use the data of another member, or a snapshot',
      cause: error,
    });
  }
}
