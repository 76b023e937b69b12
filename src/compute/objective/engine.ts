/** A task brought to life: its model, its data, its loss and metrics. Weights come and go; this stays. */
import { carveSplits } from '../../core/averaging/splits.ts';
import type { CarvedSplits } from '../../core/averaging/splits.ts';
import type { FitData, SplitEvaluation } from '../../core/averaging/types.ts';
import type { CheckpointHeader } from '../../core/checkpoints/types.ts';
import { throwIfAborted, TwaError } from '../../core/errors.ts';
import type { TaskFile, UserSplit } from '../../core/task/types.ts';
import { tf } from '../tf.ts';
import type { Scalar, Tensor } from '../tf.ts';
import { moduleModel } from './custom-model.ts';
import { isBatch, openDataset } from './dataset.ts';
import type { Dataset } from './dataset.ts';
import { declaredModel } from './declared-model.ts';
import { declaredLoss, declaredMetric, declaredMetrics, noLoss, requireDeclaredOutput } from './losses.ts';
import { requireMatch } from './match.ts';
import type { TaskModel, Tensors } from './model.ts';
import { withSeed } from './random.ts';
import { loadTaskModule } from './task-module.ts';
import type { TaskContext, TaskModule } from './task-module.ts';

export interface EngineOptions {
  readonly fitData: FitData;
  readonly seed: number;
  readonly signal?: AbortSignal;
}

/** Loss and metrics of one batch: a vector with a number per example, or a scalar for the whole batch. */
interface BatchScores {
  readonly loss: Tensor;
  readonly metrics: Readonly<Record<string, Tensor>>;
  /** What the model gave, where a declaration needed it. */
  readonly outputs: Tensor | undefined;
}

export class TaskEngine {
  readonly task: TaskFile;
  readonly model: TaskModel;
  readonly splits: CarvedSplits;
  readonly seed: number;
  readonly #module: TaskModule | undefined;
  readonly #datasets: Readonly<Record<UserSplit, Dataset | undefined>>;
  readonly #context: TaskContext;
  #outputIsRight = false;

  private constructor(
    task: TaskFile,
    module: TaskModule | undefined,
    model: TaskModel,
    datasets: Readonly<Record<UserSplit, Dataset | undefined>>,
    splits: CarvedSplits,
    context: TaskContext,
    seed: number,
  ) {
    this.task = task;
    this.#module = module;
    this.model = model;
    this.#datasets = datasets;
    this.splits = splits;
    this.#context = context;
    this.seed = seed;
  }

  /**
   * Builds model and data for checkpoints like `header`. The current tfjs backend is used from here on.
   * @throws TwaError `bad-task`, `bad-data`, `mismatch` between model and checkpoint.
   */
  static async open(task: TaskFile, header: CheckpointHeader, options: EngineOptions): Promise<TaskEngine> {
    const module = task.module === undefined ? undefined : await loadTaskModule(task.module);
    if (task.loss === undefined && module?.has('loss') !== true) throw noLoss(task);
    requireMetric(task, module);
    const context: TaskContext = { tf, training: false, checkpoint: header.path, task: task.path };
    return withSeed(options.seed, 'task', async () => {
      const model =
        module?.has('model') === true
          ? moduleModel(module, await module.callAsync('model', context))
          : await declaredModel(task.model, header, module?.layers ?? new Map());
      const opened: Dataset[] = [];
      try {
        requireMatch(model.weights, header);
        const open = async (split: UserSplit): Promise<Dataset | undefined> => {
          throwIfAborted(options.signal);
          const dataset = await openDataset(task, module, split, context, options.signal);
          if (dataset !== undefined) opened.push(dataset);
          return dataset;
        };
        const datasets = {
          train: await open('train'),
          validation: await open('validation'),
          test: await open('test'),
        };
        const sizes = {
          train: datasets.train?.size ?? 0,
          validation: datasets.validation?.size ?? 0,
          ...(datasets.test === undefined ? {} : { test: datasets.test.size }),
        };
        const splits = carveSplits(sizes, options.fitData, options.seed);
        return new TaskEngine(task, module, model, datasets, splits, context, options.seed);
      } catch (error) {
        for (const dataset of opened) dataset.dispose();
        model.dispose();
        throw error;
      }
    });
  }

  get trainSize(): number {
    return this.#datasets.train?.size ?? 0;
  }

  /** Examples of one of the user's splits. The caller disposes of the tensors. */
  async batch(split: UserSplit, indices: Int32Array): Promise<unknown> {
    const dataset = this.#datasets[split];
    if (dataset === undefined) throw new Error(`The task has no ${split} split.`);
    return dataset.batch(indices);
  }

  /** A forward pass in training mode, for its effect on running statistics. Inside tf.tidy. */
  forward(batch: unknown): void {
    if (isBatch(batch)) this.#apply(batch.xs, true);
    else this.#loss(batch, true);
  }

  /** Mean loss over a batch in training mode. Inside tf.tidy or a gradient. */
  trainingLoss(batch: unknown): Scalar {
    return tf.mean(this.#loss(batch, true));
  }

  /** Loss and metrics of a batch of `size` examples in evaluation mode. */
  async evaluate(batch: unknown, size: number): Promise<SplitEvaluation> {
    const { loss, metrics, outputs } = tf.tidy(() => {
      const scores = this.#score(batch);
      const unchecked = scores.outputs !== undefined && !this.#outputIsRight;
      return {
        loss: scores.loss,
        metrics: { ...scores.metrics },
        outputs: unchecked ? scores.outputs : undefined,
      };
    });
    try {
      if (outputs !== undefined) {
        const values = Float32Array.from(await outputs.data());
        this.#outputIsRight = requireDeclaredOutput(this.task, values, outputs.shape);
      }
      const perBatch = [loss, ...Object.values(metrics)].some((values) => values.rank === 0);
      const read = async (name: string, values: Tensor): Promise<Float64Array> => {
        if (values.rank > 1 || (values.rank === 1 && values.size !== size)) {
          throw this.#wrong(
            `${name} has the shape [${values.shape.join(', ')}] for ${size} examples: give one number per example, or ` +
              'their mean.',
          );
        }
        const numbers = Float64Array.from(await values.data());
        return perBatch
          ? Float64Array.of(numbers.reduce((sum, number) => sum + number, 0) / numbers.length)
          : numbers;
      };
      const entries = Object.entries(metrics).map(
        async ([name, values]) => [name, await read(name, values)] as const,
      );
      return {
        loss: await read('loss', loss),
        metrics: Object.fromEntries(await Promise.all(entries)),
        weights: perBatch ? Float64Array.of(size) : new Float64Array(size).fill(1),
      };
    } finally {
      tf.dispose([loss, metrics, outputs]);
    }
  }

  dispose(): void {
    for (const dataset of Object.values(this.#datasets)) dataset?.dispose();
    this.model.dispose();
  }

  #apply(inputs: Tensors, training: boolean): Tensor {
    try {
      return this.model.apply(inputs, training);
    } catch (error) {
      if (error instanceof TwaError) throw error;
      const message = error instanceof Error ? error.message : String(error);
      throw new TwaError('bad-task', `${this.task.path}: the model does not take this data: ${message}`, {
        place: { path: this.task.path },
        cause: error,
      });
    }
  }

  #loss(batch: unknown, training: boolean, outputs?: Tensor): Tensor {
    if (this.#module?.has('loss') !== true) {
      const { xs, ys } = this.#requireBatch(batch);
      return declaredLoss(this.task, outputs ?? this.#apply(xs, training), ys);
    }
    const value = this.#module.call('loss', this.model.handle, batch, { ...this.#context, training });
    return this.#requireTensor(value, 'loss()');
  }

  #score(batch: unknown): BatchScores {
    const declared = this.#module?.has('loss') !== true || !this.#module.has('metrics');
    // One forward pass serves both declarations.
    const outputs = declared ? this.#apply(this.#requireBatch(batch).xs, false) : undefined;
    const loss = this.#loss(batch, false, outputs);
    if (this.#module?.has('metrics') === true) {
      const given = this.#module.call('metrics', this.model.handle, batch, {
        ...this.#context,
        training: false,
      });
      return { loss, metrics: this.#requireMetrics(given), outputs };
    }
    const { name } = this.task.metric;
    const metric = declaredMetrics.find((known) => known === name);
    if (metric === undefined) return { loss, metrics: {}, outputs };
    return {
      loss,
      outputs,
      metrics: { [name]: declaredMetric(this.task, metric, outputs!, this.#requireBatch(batch).ys) },
    };
  }

  #requireBatch(batch: unknown): { xs: Tensor; ys: Tensor } {
    if (isBatch(batch) && batch.ys instanceof tf.Tensor) return batch as { xs: Tensor; ys: Tensor };
    throw this.#wrong(
      'a declared loss or metric needs batches of { xs, ys } with one tensor of targets: export "loss" and "metrics" ' +
        'for anything else.',
    );
  }

  #requireMetrics(given: unknown): Record<string, Tensor> {
    if (typeof given !== 'object' || given === null || given instanceof tf.Tensor) {
      throw this.#wrong('metrics() must give an object of tensors by name.');
    }
    const metrics = Object.fromEntries(
      Object.entries(given).map(([name, value]) => [name, this.#requireTensor(value, `metrics().${name}`)]),
    );
    const { name } = this.task.metric;
    if (metrics[name] === undefined && name !== 'loss') {
      const names = Object.keys(metrics).join(', ');
      throw this.#wrong(
        `metrics() gives ${names === '' ? 'nothing' : names}, but ${this.task.path} asks for "${name}".`,
      );
    }
    return metrics;
  }

  #requireTensor(value: unknown, what: string): Tensor {
    if (typeof value === 'number') return tf.scalar(value);
    if (value instanceof Promise) throw this.#wrong(`${what} must give a tensor at once, not a promise.`);
    const tensor = value instanceof tf.Tensor ? (value as Tensor) : undefined;
    if (tensor !== undefined && tensor.rank <= 1) return tf.cast(tensor, 'float32');
    throw this.#wrong(
      `${what} must give one number per example (a vector) or their mean (a scalar)` +
        (tensor === undefined ? '.' : `, not a tensor of shape [${tensor.shape.join(', ')}].`),
    );
  }

  #wrong(message: string): TwaError {
    if (this.#module !== undefined) return this.#module.error(message);
    return new TwaError('bad-task', `${this.task.path}: ${message}`, { place: { path: this.task.path } });
  }
}

function requireMetric(task: TaskFile, module: TaskModule | undefined): void {
  const { name } = task.metric;
  const declared = (declaredMetrics as readonly string[]).includes(name);
  if (declared || name === 'loss' || module?.has('metrics') === true) return;
  throw new TwaError(
    'bad-task',
    `${task.path}: the metric "${name}" needs a module that exports "metrics".`,
    {
      place: { path: task.path },
    },
  );
}
