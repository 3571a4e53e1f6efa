/** How long work tells what it does, on stderr: `--json` has stdout for itself. */
export interface Progress {
  /** A step that is worth a line of its own. */
  step(text: string): void;
  /** Where the present step is: painted over the last such line on a terminal, and elsewhere a line now and then. */
  at(text: string): void;
  /** Leaves the terminal at the start of a line. */
  end(): void;
}

const PLAIN_INTERVAL_MS = 5000;
const ERASE_LINE = '\r\u001b[2K';

export function createProgress(stream: NodeJS.WriteStream = process.stderr): Progress {
  const paints = stream.isTTY === true;
  let painted = false;
  let toldAt = performance.now();
  const erase = () => {
    if (painted) stream.write(ERASE_LINE);
    painted = false;
  };
  return {
    step(text) {
      erase();
      stream.write(`${text}\n`);
      toldAt = performance.now();
    },
    at(text) {
      if (paints) {
        erase();
        stream.write(text.slice(0, Math.max(20, (stream.columns ?? 80) - 1)));
        painted = true;
      } else if (performance.now() - toldAt >= PLAIN_INTERVAL_MS) {
        stream.write(`${text}\n`);
        toldAt = performance.now();
      }
    },
    end: erase,
  };
}
