/** Outcome of an action on the world. A failure is a value that goes back into the machine that asked for the action. */
export type Effect = { ok: true } | { ok: false; reason: string };

export const done: Effect = { ok: true };
