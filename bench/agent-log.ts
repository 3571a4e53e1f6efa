/** What an agent wrote down. Pure. */

export interface AgentLine {
  /** Milliseconds of CLOCK_BOOTTIME. */
  atMs: number;
  msg: string;
  fields: Readonly<Record<string, unknown>>;
}

/** The lines of an agent's log. Its clock is that of the day; `offsetMs` is that clock less CLOCK_BOOTTIME. */
export function agentLines(log: string, { offsetMs }: { offsetMs: number }): AgentLine[] {
  return log.split('\n').flatMap((text) => {
    const fields = parseLine(text);
    return fields === undefined ? [] : [{ atMs: Date.parse(String(fields['time'])) - offsetMs, msg: String(fields['msg']), fields }];
  });
}

/** Anything else that ends up in a log is no line of the agent's. */
function parseLine(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
