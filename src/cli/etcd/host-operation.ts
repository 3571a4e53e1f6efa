import { Option } from 'commander';
import { HaleError } from '../../base/error.ts';
import { type Stand, standText, stepsLeft } from '../../core/etcd/rebuild/journal.ts';
import { type Action, actionText, commandOf, type Operation, type OperationSnapshot } from '../../core/etcd/rebuild/step.ts';
import { type Journals, openJournals } from '../../drivers/journal.ts';
import { boottime } from '../../drivers/linux/boottime.ts';
import { fingerprintOnHost } from '../../engine/etcd/on-host.ts';
import { beginOperation, goOn, type OperationWorld, rollBack } from '../../engine/etcd/run-plan.ts';
import { askLabAddress, labHosts, labOperations } from '../../lab/etcd-hosts.ts';
import { type Lab, openLab } from '../../lab/lab.ts';
import { ensurePrivileges } from '../../lab/privileges.ts';
import { agreed } from '../agreed.ts';
import { interruptible } from '../interrupt.ts';
import { createProgress } from '../progress.ts';

/** What `hale etcd restore` and `recover` have in common: a plan over hosts, carried out with a journal. */
export interface OperationOptions {
  lab: string;
  lost?: string[];
  resume?: true;
  rollback?: true;
  dryRun?: true;
  yes?: true;
  json?: true;
}

export function lostOption(description: string): Option {
  return new Option('--lost <hosts>', description).argParser((text) => text.split(',').filter((name) => name !== ''));
}

const STOPPING = { says: 'stopping; what is done so far stays, and can be gone on with or put back' };

interface OperationCommand {
  kind: Operation['kind'];
  options: OperationOptions;
  /** Makes the plan of a new operation; touches nothing. */
  plan: (lab: Lab, id: string) => Promise<Operation>;
  /** Reads the snapshot that the plan names. */
  openSnapshot?: (snapshot: OperationSnapshot) => AsyncIterable<Uint8Array>;
}

export async function runOperation(command: OperationCommand): Promise<void> {
  const { options, kind } = command;
  ensurePrivileges({ lab: options.lab });
  const lab = openLab(options.lab);
  const journals = openJournals(labOperations(lab));
  const open = journals.open();
  if (options.resume || options.rollback) {
    if (open === undefined || open.stand.operation.kind !== kind) throw nothingOpen(kind, open?.stand);
    return await takeUp(command, { lab, ...open });
  }
  if (open !== undefined) throw stillOpen(open.stand);
  await beginAnew(command, { lab, journals });
}

async function beginAnew(command: OperationCommand, { lab, journals }: { lab: Lab; journals: Journals }): Promise<void> {
  const { kind, options } = command;
  const operation = await command.plan(lab, timeId());
  const out = options.json ? process.stderr : process.stdout;
  out.write(planText(operation));
  if (options.dryRun) {
    if (options.json) process.stdout.write(`${JSON.stringify({ plan: operation }, null, 2)}\n`);
    return;
  }
  if (!(await agreed(`${kind === 'restore' ? 'Restore' : 'Recover'} ${operation.where}?`, { ...options, undone: 'nothing was touched' })))
    return;
  const journal = journals.create(`etcd-${kind}-${operation.id}`);
  const stand = await carried(command, { lab, journal, operation }, (world) => beginOperation(operation, world));
  tellEnd(stand, options);
}

interface Open {
  lab: Lab;
  stand: Stand;
  journal: OperationWorld['journal'];
}

async function takeUp(command: OperationCommand, { lab, stand, journal }: Open): Promise<void> {
  const { options } = command;
  const { operation, state, openedAt } = stand;
  process.stderr.write(`${standText(stand)}\n`);
  if (options.resume && state === 'rolling back') {
    throw new HaleError({
      code: 'operation_rolling_back',
      kind: 'usage',
      message: 'things are being put back, and half of that is done',
      remedy: `${commandOf(operation)} --rollback goes on with it`,
    });
  }
  const steps = options.resume ? stepsLeft(stand) : stand.begun.filter(({ undo }) => undo !== undefined).toReversed();
  process.stderr.write(`${options.resume ? 'still to be done' : 'to be undone'}:\n${steps.map(({ does }) => `  ${does}\n`).join('')}`);
  if (options.dryRun) return;
  if (options.rollback && openedAt !== undefined) {
    process.stderr.write(await lossText({ lab, stand, journal }, openedAt));
    if (!(await agreed('Put things back, and lose that?', { ...options, undone: 'nothing was put back' }))) return;
  }
  const work = (world: OperationWorld) => (options.resume ? goOn(world) : rollBack(world, options.lost ?? []));
  tellEnd(await carried(command, { lab, journal, operation }, work), options);
}

/** What clients wrote to the new data, as far as it can be known. */
async function lossText({ lab, stand, journal }: Open, openedAt: string): Promise<string> {
  const before = journal
    .read()
    .flatMap((entry) => (entry.kind === 'done' && typeof entry.facts['revision'] === 'number' ? entry.facts['revision'] : []));
  const host = labHosts(lab).find(({ name }) =>
    stand.operation.steps.some(({ phases }) => phases.flat().some((action) => action.host === name)),
  );
  const now = host === undefined ? undefined : await fingerprintOnHost({ host }).catch(() => undefined);
  const changes = now === undefined || before[0] === undefined ? 'an unknown number of changes' : `${now.revision - before[0]} changes`;
  return `API servers serve the new data since ${openedAt}: what was written since, ${changes}, is lost to the cluster when things are put back; the folder that has it is kept.\n`;
}

async function carried(
  command: OperationCommand,
  { lab, journal, operation }: { lab: Lab; journal: OperationWorld['journal']; operation: Operation },
  work: (world: OperationWorld) => Promise<Stand>,
): Promise<Stand> {
  const progress = createProgress();
  const { openSnapshot } = command;
  const { snapshot } = operation;
  // A failure says itself where things stand and how to go on, also after Ctrl-C.
  const outcome = await interruptible(async (signal) => {
    const world: OperationWorld = {
      hosts: labHosts(lab),
      journal,
      clock: boottime,
      signal,
      tell: progress,
      askAddress: () => askLabAddress(lab, signal),
      ...(openSnapshot === undefined || snapshot === undefined ? {} : { openSnapshot: () => openSnapshot(snapshot) }),
    };
    return await work(world).then(
      (stand) => ({ stand }),
      (error: unknown) => ({ error }),
    );
  }, STOPPING);
  progress.end();
  if ('error' in outcome) throw outcome.error;
  return outcome.stand;
}

function tellEnd(stand: Stand, options: OperationOptions): void {
  const { operation, state } = stand;
  const { id, kind, where, steps } = operation;
  const afterwards = state === 'finished' ? operation.afterwards : [];
  if (options.json) {
    const told = steps.map((step) => ({ id: step.id, does: step.does }));
    process.stdout.write(`${JSON.stringify({ id, kind, where, state, steps: told, losses: operation.losses, afterwards }, null, 2)}\n`);
    return;
  }
  process.stdout.write(`${standText(stand)}\n${list('What is left to do', afterwards)}`);
}

function planText(operation: Operation): string {
  const { kind, where, steps, losses, notes } = operation;
  const told = steps.map(({ does, phases }, i) => `  ${String(i + 1).padStart(2)}. ${does}\n${phases.map(phaseText).join('')}`);
  return `Plan: ${kind} ${where}\n${told.join('')}${list('What is lost', losses)}${list('To know', notes)}`;
}

/** A line for all hosts that do the same. */
function phaseText(phase: readonly Action[]): string {
  const texts = [...new Set(phase.map(actionText))];
  const hosts = (text: string) => phase.flatMap((action) => (actionText(action) === text ? action.host : []));
  return texts.map((text) => `       ${hosts(text).join(', ')}: ${text}\n`).join('');
}

function list(head: string, lines: readonly string[]): string {
  return lines.length === 0 ? '' : `${head}:\n${lines.map((line) => `  - ${line}\n`).join('')}`;
}

function nothingOpen(kind: Operation['kind'], other: Stand | undefined): HaleError {
  return new HaleError({
    code: 'operation_not_open',
    kind: 'usage',
    message: `no ${kind} is under way${other === undefined ? '' : `; ${standText(other)}`}`,
    remedy:
      other === undefined ? 'begin one' : `${commandOf(other.operation)} --resume goes on, and --rollback in its place puts things back`,
  });
}

function stillOpen(stand: Stand): HaleError {
  return new HaleError({
    code: 'operation_open',
    kind: 'usage',
    message: standText(stand),
    remedy: `${commandOf(stand.operation)} --resume goes on, and --rollback in its place puts things back; before that nothing new begins`,
  });
}

/** `20260131-120000`, in UTC. */
function timeId(): string {
  return new Date()
    .toISOString()
    .replaceAll(/[-:]|\.\d+Z/g, '')
    .replace('T', '-');
}
