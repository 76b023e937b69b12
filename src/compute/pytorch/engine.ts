/** The engine `pytorch`: the user's model and data in the user's interpreter, driven by the same core. */
import path from 'node:path';
import { seededRandom } from '../../core/averaging/rng.ts';
import { carveSplits } from '../../core/averaging/splits.ts';
import { score } from '../../core/averaging/summary.ts';
import type { Objective } from '../../core/averaging/types.ts';
import type { CheckpointHeader } from '../../core/checkpoints/types.ts';
import { TwaError } from '../../core/errors.ts';
import type { TaskFile } from '../../core/task/types.ts';
import type { Engine, EngineRequest, LoadHooks } from '../engine.ts';
import type { JobContext } from '../jobs/context.ts';
import type { PytorchOptions } from '../protocol.ts';
import { findPython, startCommand } from './interpreter.ts';
import { parseLoaded, parseOpened, parseUsage, type Loaded, type Opened, type Source } from './messages.ts';
import { PytorchObjective } from './objective.ts';
import { PythonProcess } from './process.ts';

export async function openPytorchEngine(request: EngineRequest, context: JobContext): Promise<Engine> {
  const { task, template, seed } = request;
  const { onProgress, log } = context;
  onProgress({ phase: 'backend', fraction: 0, message: 'starting Python' });
  const python = await start(task, request.pytorch ?? {}, context);
  try {
    onProgress({ phase: 'reading', fraction: 0, message: 'model and data' });
    const { fields } = await python.request({
      kind: 'open',
      module: task.module!,
      metric: task.metric.name,
      batchSize: task.batchSize,
      ...task.pytorch,
      checkpoint: sourceOf(template),
      random: seededRandom(seed, 'task')() >>> 1,
    });
    const opened = parseOpened(fields);
    if (opened.own.length > 0) {
      log('info', `Not in the checkpoints, and left as the task's model has them: ${few(opened.own)}.`);
    }
    const { train = 0, validation = 0, test } = opened.sizes;
    const sizes = { train, validation, ...(test === undefined ? {} : { test }) };
    const splits = carveSplits(sizes, request.fitData, seed);
    const running = namesInHeader(opened.running, template, task);
    const trained = keysByName(opened.trained, template, task);
    let last: { readonly objective: PytorchObjective; readonly loaded: Loaded } | undefined;

    return {
      label: opened.label,
      splits: splits.sizes,
      trained: [...trained.keys()],
      running: [...running.values()],
      canRecalibrate: train > 0,
      async load(headers: readonly CheckpointHeader[], hooks: LoadHooks): Promise<Objective> {
        const { blocks } = hooks;
        const answer = await python.request(
          {
            kind: 'load',
            checkpoints: headers.map(sourceOf),
            // One is looked at once.
            memory: headers.length === 1 ? 'files' : (request.pytorch?.memory ?? 'auto'),
            ...(blocks === undefined
              ? {}
              : { blocks: blocks.map(({ tensors }) => tensors.map((name) => trained.get(name) ?? name)) }),
          },
          {},
          hooks.onProgress,
        );
        const loaded = parseLoaded(answer.fields, answer.arrays);
        const objective = new PytorchObjective(python, loaded, {
          task,
          splits,
          trainSize: train,
          seed,
          parameterCount: opened.parameters,
          running,
          checkpoints: headers.map((header) => header.path),
          ...(blocks === undefined ? {} : { blocks }),
        });
        if (headers.length > 1) {
          log('info', `${opened.label}; ${headers.length} checkpoints, ${describe(opened, loaded)}.`);
          last = { objective, loaded };
        }
        return objective;
      },
      async findings(coefficients: Float64Array) {
        if (last === undefined) return [];
        const { objective, loaded } = last;
        const notes = [];
        if (loaded.lossy) notes.push(await roundingNote(objective, loaded, coefficients));
        const usage = parseUsage((await python.request({ kind: 'usage' })).fields);
        const gpu = usage.device === undefined ? '' : `${gigabytes(usage.device)} on the GPU, `;
        notes.push(
          `Memory at its peak: ${gpu}${gigabytes(usage.host)} in Python, mapped checkpoint files included; the ` +
            `checkpoints took ${gigabytes(loaded.bytes)} (${loaded.memory}: ${loaded.why}).`,
        );
        return notes;
      },
      dispose: () => python.close(),
    };
  } catch (error) {
    await python.close();
    throw error;
  }
}

/** The interpreter, by the options or found, with the package of ours running in it. */
async function start(
  task: TaskFile,
  options: PytorchOptions,
  { signal, log, onProgress }: JobContext,
): Promise<PythonProcess> {
  const cwd = path.dirname(task.path);
  const interpreter = findPython(options.python, cwd);
  const command = startCommand(interpreter.path, options.launcher);
  log('debug', `${command.join(' ')} (${interpreter.reason})`);
  const python = await PythonProcess.start({ command, cwd, signal, log });
  onProgress({ phase: 'backend', fraction: 1, message: `Python ${python.hello.python}` });
  return python;
}

function sourceOf({ path: file, format, files, tensors }: CheckpointHeader): Source {
  return {
    path: file,
    format,
    files: files.map((each) => each.path),
    tensors: tensors.map(({ name }) => name),
  };
}

/**
 * Names in the header by Python's keys. They are the same, unless the task's `load` gives others: then one may have a
 * prefix that the other has not, the same for all.
 */
function namesInHeader(
  keys: readonly string[],
  { tensors, path: file }: CheckpointHeader,
  task: TaskFile,
): ReadonlyMap<string, string> {
  const names = new Set(tensors.map(({ name }) => name));
  const [first] = keys;
  if (first === undefined) return new Map();
  const rules = [
    (key: string) => key,
    ...[...names].flatMap((name) => {
      if (name.endsWith(`.${first}`)) {
        const prefix = name.slice(0, -first.length);
        return [(key: string) => prefix + key];
      }
      if (first.endsWith(`.${name}`)) {
        const extra = first.length - name.length;
        return [(key: string) => key.slice(extra)];
      }
      return [];
    }),
  ];
  const rule = rules.find((rename) => keys.every((key) => names.has(rename(key))));
  if (rule !== undefined) return new Map(keys.map((key) => [key, rule(key)]));
  throw new TwaError(
    'bad-task',
    `${task.module ?? task.path}: load() gives ${first}, and ${file} has no tensor of that name: keep the names of the file, ` +
      'or a part of them from the end.',
    { place: { path: task.module ?? task.path } },
  );
}

function keysByName(
  keys: readonly string[],
  template: CheckpointHeader,
  task: TaskFile,
): ReadonlyMap<string, string> {
  return new Map([...namesInHeader(keys, template, task)].map(([key, name]) => [name, key]));
}

/** bf16 and int8 round the rows that training steps use, never what is evaluated or written: how much does it matter? */
async function roundingNote(
  objective: PytorchObjective,
  { memory }: Loaded,
  coefficients: Float64Array,
): Promise<string> {
  const metric = objective.metric.name;
  const kept = score(await objective.evaluateStack(coefficients, 'stop', 'average'), metric);
  const exact = score(await objective.evaluate({ kind: 'mix', coefficients }, 'stop', 'average'), metric);
  const difference = kept.loss - exact.loss;
  return (
    `Training steps used checkpoints rounded to ${memory}: at the chosen coefficients that changes the loss on the stop ` +
    `split by ${difference.toExponential(1)} (${exact.loss.toPrecision(5)}). What is evaluated and written is not rounded.`
  );
}

function describe({ parameters }: Opened, { bytes, memory, why }: Loaded): string {
  return `${parameters} parameters, ${gigabytes(bytes)} as ${memory} (${why})`;
}

function gigabytes(bytes: number): string {
  return bytes < 1e8 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(2)} GB`;
}

function few(names: readonly string[]): string {
  return names.length > 3 ? `${names.slice(0, 3).join(', ')} and ${names.length - 3} more` : names.join(', ');
}
