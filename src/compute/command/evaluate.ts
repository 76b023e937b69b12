/** One evaluation of a checkpoint file by the user's command. */
import type { SplitEvaluation } from '../../core/averaging/types.ts';
import { TwaError } from '../../core/errors.ts';
import type { CommandDeclaration, TaskFile } from '../../core/task/types.ts';
import type { JobContext } from '../jobs/context.ts';
import { findNumber } from './number.ts';
import { type Outcome, runProgram } from './process.ts';

/**
 * One number per repeat under the metric's name. There is no loss: NaN, but for a metric called loss.
 * @throws TwaError as {@link numberByCommand} does.
 */
export async function evaluateByCommand(
  task: TaskFile,
  command: CommandDeclaration,
  checkpoint: string,
  split: 'validation' | 'test',
  { log }: JobContext,
  signal: AbortSignal | undefined,
): Promise<SplitEvaluation> {
  const { name } = task.metric;
  const values = new Float64Array(command.repeats);
  for (let repeat = 0; repeat < command.repeats; repeat++) {
    values[repeat] = await numberByCommand(task.path, command, { checkpoint, split, repeat }, log, signal);
  }
  return {
    loss: name === 'loss' ? values : new Float64Array(command.repeats).fill(NaN),
    metrics: { [name]: values },
    weights: new Float64Array(command.repeats).fill(1),
  };
}

/**
 * What a command prints for a checkpoint.
 * @param place where the command is declared, a path
 * @throws TwaError `bad-task` with the last lines printed, where the command fails or prints no number; `cancelled`.
 */
export async function numberByCommand(
  place: string | undefined,
  command: CommandDeclaration,
  { checkpoint, split, repeat }: Values & { readonly repeat: number },
  log: JobContext['log'],
  signal: AbortSignal | undefined,
): Promise<number> {
  const outcome = await runProgram(fillIn(command.run, { checkpoint, split }), {
    directory: command.directory,
    environment: { TWA_CHECKPOINT: checkpoint, TWA_SPLIT: split, TWA_SEED: String(repeat) },
    timeoutMs: command.timeout * 1000,
    signal,
    onLine: (line) => log('debug', line),
  });
  const problem = problemOf(outcome, command);
  const found = problem === undefined ? findNumber(outcome.stdout, command) : undefined;
  if (found?.kind === 'number') return found.value;
  const told = `evaluation command ${found?.reason ?? problem ?? ''} (checkpoint ${checkpoint}, ${split}).`;
  throw new TwaError('bad-task', place === undefined ? `Your ${told}` : `${place}: the ${told}`, {
    ...(place === undefined ? {} : { place: { path: place } }),
    details: outcome.lastLines,
  });
}

type Values = Readonly<Record<'checkpoint' | 'split', string>>;

function fillIn(run: CommandDeclaration['run'], values: Values): string | readonly string[] {
  const fill = (text: string, form: (value: string) => string): string =>
    text.replaceAll(/\{(checkpoint|split)\}/g, (_, name: keyof Values) => form(values[name]));
  return typeof run === 'string' ? fill(run, quoted) : run.map((part) => fill(part, (value) => value));
}

/** As one word for the system's shell. */
function quoted(text: string): string {
  // A Windows path holds no quotes.
  return process.platform === 'win32' ? `"${text}"` : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Continues "the evaluation command ...". */
function problemOf({ end }: Outcome, { timeout, directory }: CommandDeclaration): string | undefined {
  switch (end.kind) {
    case 'exit':
      return end.code === 0 ? undefined : `ended with exit code ${end.code}`;
    case 'signal':
      return `was ended by signal ${end.signal}`;
    case 'timeout':
      return `took longer than ${timeout} s and was ended; "timeout" gives it longer`;
    case 'not-started':
      return `could not be started in ${directory}: ${end.reason}`;
  }
}
