import type { Span, TextFile } from '../text-file.ts';

/** A systemd unit, or a drop-in for one (systemd.syntax(7)). */
export interface UnitFile {
  file: TextFile;
  settings: readonly {
    /** `Service`. */ section: string;
    key: string /** Continuation lines joined. */;
    value: string;
    span: Span;
    valueSpan: Span;
  }[];
}

export function readUnit(file: TextFile): UnitFile {
  return { file, settings: [] };
}
