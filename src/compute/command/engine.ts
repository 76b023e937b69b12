/** The engine `command`: the user's own program evaluates checkpoint files, in whatever framework it likes. */
import path from 'node:path';
import type {
  BufferMode,
  BufferValue,
  CentredGram,
  Objective,
  SplitEvaluation,
  SplitName,
  SplitSizes,
  WeightPoint,
} from '../../core/averaging/types.ts';
import { elementCount, isFloat } from '../../core/checkpoints/dtype.ts';
import { streamGram } from '../../core/checkpoints/gram.ts';
import type { CheckpointHeader } from '../../core/checkpoints/types.ts';
import { TwaError } from '../../core/errors.ts';
import type { CommandDeclaration, TaskFile } from '../../core/task/types.ts';
import type { Engine, EngineRequest } from '../engine.ts';
import type { JobContext } from '../jobs/context.ts';
import { readTensors, runningStatistics } from '../jobs/running-statistics.ts';
import { CandidateFolder } from './candidate.ts';
import { evaluateByCommand } from './evaluate.ts';

export async function openCommandEngine(
  { task, template }: EngineRequest,
  context: JobContext,
): Promise<Engine> {
  const { command } = task;
  if (command === undefined) throw new Error(`${task.path} has no command.`);
  const folder = await CandidateFolder.make();
  const running = runningStatistics(template).map(({ name }) => name);
  const label = `command ${programOf(command)}`;
  return {
    label,
    splits: splitsOf(command),
    trained: [],
    running,
    canRecalibrate: false,
    load: (headers) => Promise.resolve(new CommandObjective(task, command, headers, folder, context)),
    dispose: () => folder.remove(),
  };
}

/** The name of the program, or the line for the shell. */
function programOf({ run }: CommandDeclaration): string {
  return typeof run === 'string' ? run : path.basename(run[0]!);
}

function takesSplit({ run }: CommandDeclaration): boolean {
  return [run].flat().some((part) => part.includes('{split}'));
}

/** Sizes in evaluations, for the examples are the command's own. */
function splitsOf(command: CommandDeclaration): SplitSizes {
  const { repeats } = command;
  const each = repeats === 1 ? 'one number each' : `${repeats} evaluations each`;
  const origin = takesSplit(command)
    ? `the command's validation chooses, its test reports; ${each}`
    : `the command takes no {split}, so the same examples choose and report, and what was chosen looks better than it is; ${each}`;
  return { fit: 0, stop: repeats, report: repeats, origin };
}

class CommandObjective implements Objective {
  readonly checkpoints: readonly string[];
  readonly parameterCount: number;
  readonly splits: SplitSizes;
  readonly metric: Objective['metric'];
  readonly hasRunningStatistics: boolean;
  readonly hasGradients = false;
  readonly #task: TaskFile;
  readonly #command: CommandDeclaration;
  readonly #headers: readonly CheckpointHeader[];
  readonly #folder: CandidateFolder;
  readonly #context: JobContext;
  /** An evaluation may take minutes: the same one is never asked for twice. */
  readonly #known = new Map<string, SplitEvaluation>();

  constructor(
    task: TaskFile,
    command: CommandDeclaration,
    headers: readonly CheckpointHeader[],
    folder: CandidateFolder,
    context: JobContext,
  ) {
    const template = headers.at(-1)!;
    this.checkpoints = headers.map((header) => header.path);
    this.parameterCount = this.#parameters(template).reduce(
      (sum, { shape }) => sum + elementCount(shape)!,
      0,
    );
    this.splits = splitsOf(command);
    this.metric = task.metric;
    this.hasRunningStatistics = runningStatistics(template).length > 0;
    this.#task = task;
    this.#command = command;
    this.#headers = headers;
    this.#folder = folder;
    this.#context = context;
  }

  async gram(signal?: AbortSignal): Promise<CentredGram> {
    const names = new Set(this.#parameters(this.#headers.at(-1)!).map(({ name }) => name));
    const more = signal === undefined ? {} : { signal };
    return (await streamGram({ headers: this.#headers, counts: ({ name }) => names.has(name), ...more }))
      .gram;
  }

  lossAndGradient(): Promise<never> {
    throw new TwaError(
      'usage',
      `${this.#task.path} evaluates by a command, which gives no gradients: use a method that needs none, such as search.`,
    );
  }

  async evaluate(
    point: WeightPoint,
    split: SplitName,
    buffers: BufferMode,
    signal?: AbortSignal,
  ): Promise<SplitEvaluation> {
    if (point.kind === 'mix' && buffers === 'recalibrate' && this.hasRunningStatistics) {
      throw new TwaError('unsupported', 'An evaluation command cannot recompute running statistics.');
    }
    const userSplit = split === 'report' ? 'test' : 'validation';
    const weights = point.kind === 'mix' ? `${buffers} ${point.coefficients.join()}` : point.index;
    const key = `${takesSplit(this.#command) ? userSplit : 'any'} ${weights}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const evaluate = (file: string) =>
      evaluateByCommand(this.#task, this.#command, file, userSplit, this.#context, signal);
    const evaluation =
      point.kind === 'checkpoint'
        ? await evaluate(this.checkpoints[point.index]!)
        : await this.#mixed(point.coefficients, buffers, signal, evaluate);
    this.#known.set(key, evaluation);
    return evaluation;
  }

  recalibrate(): Promise<readonly BufferValue[]> {
    return Promise.resolve([]);
  }

  dispose(): Promise<void> {
    this.#known.clear();
    return Promise.resolve();
  }

  async #mixed<T>(
    coefficients: Float64Array,
    buffers: BufferMode,
    signal: AbortSignal | undefined,
    use: (file: string) => Promise<T>,
  ): Promise<T> {
    const newest = this.#headers.at(-1)!;
    const kept =
      buffers === 'newest' ? await readTensors(newest, runningStatistics(newest)) : new Map<string, never>();
    return this.#folder.with(this.#headers, [...coefficients], kept, signal, use);
  }

  /** Every float that is mixed, but for running statistics. */
  #parameters(header: CheckpointHeader) {
    const running = new Set(runningStatistics(header).map(({ name }) => name));
    return header.tensors.filter(
      ({ name, dtype, aliasOf }) => isFloat(dtype) && aliasOf === undefined && !running.has(name),
    );
  }
}
