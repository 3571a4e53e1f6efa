/** What every deciding core looks like: it is told what happened and when, and answers with what to do. It never looks at a clock itself. */
export interface Machine<State, Input, Output> {
  step(state: State, input: Input, now: number): Step<State, Output>;
  /** The next time at which the machine wants a `tick`; Infinity when it waits for nothing. Its engine owns one timer for it. */
  wakeAt(state: State): number;
}

export interface Step<State, Output> {
  state: State;
  outputs: Output[];
}
