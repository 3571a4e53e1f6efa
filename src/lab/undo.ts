/** A program of its own, started by the timer of a fault: undoes that fault of that lab, when it is still there. */
import { openLab } from './lab.ts';

const [name, id] = process.argv.slice(2);
const lab = openLab(name);
const record = lab.faults().find((candidate) => candidate.id === id);
if (record !== undefined) await lab.undo(record);
