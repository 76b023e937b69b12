/** The first version of a task file, for somebody to fill in. */
import { open, rm } from 'node:fs/promises';
import path from 'node:path';
import type { CheckpointHeader, TensorInfo } from '../checkpoints/types.ts';
import { TwaError } from '../errors.ts';
import { TASK_FILE_NAME } from './find.ts';
import { type ModelHints, readModelHints } from './hints.ts';
import { isPytorch, PYTORCH_MODULE_NAME, pytorchModule, pytorchTaskFile } from './scaffold-pytorch.ts';
import type { DeclaredLoss, DeclaredMetric } from './types.ts';

export interface ScaffoldFile {
  readonly name: string;
  readonly text: string;
}

export const MODULE_NAME = 'task.mjs';

/**
 * The twa.json for a checkpoint like this one, and the module that it names where the checkpoint has no architecture:
 * a Python file for PyTorch's, a JavaScript module for others. Keras's weights get a declaration in any case. The files it names for data are placeholders: `loadTask` points at them until they exist.
 */
export function scaffoldTask(header: CheckpointHeader, hints: ModelHints): readonly ScaffoldFile[] {
  if (hints.architecture) return [{ name: TASK_FILE_NAME, text: declaration(hints, MODEL_IN_CHECKPOINT) }];
  if (header.format === 'keras-hdf5')
    return [{ name: TASK_FILE_NAME, text: declaration(hints, MODEL_BESIDE) }];
  if (isPytorch(header)) {
    return [
      { name: TASK_FILE_NAME, text: pytorchTaskFile() },
      { name: PYTORCH_MODULE_NAME, text: pytorchModule(header) },
    ];
  }
  return [
    { name: TASK_FILE_NAME, text: moduleTask() },
    { name: MODULE_NAME, text: moduleText(header) },
  ];
}

/**
 * Writes the scaffold for a checkpoint into a directory and gives the absolute paths, the task file first. Throws a
 * TwaError 'exists' rather than write over anything, and then leaves nothing behind.
 */
export async function createTask(header: CheckpointHeader, directory: string): Promise<readonly string[]> {
  const made: string[] = [];
  try {
    for (const { name, text } of scaffoldTask(header, await readModelHints(header))) {
      const file = path.resolve(directory, name);
      const handle = await open(file, 'wx');
      made.push(file);
      await handle.writeFile(text).finally(() => handle.close());
    }
  } catch (error) {
    await Promise.all(made.map((file) => rm(file, { force: true })));
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST' && 'path' in error) {
      const file = String(error.path);
      throw new TwaError('exists', `${file} exists already; it was left as it is.`, {
        place: { path: file },
        cause: error,
      });
    }
    throw error;
  }
  return made;
}

interface Guess {
  readonly output?: 'logits' | 'probabilities';
  readonly loss: DeclaredLoss;
  readonly metric: DeclaredMetric;
  /** Columns of the target table: one with class numbers, or one per output. */
  readonly targets: 'classes' | 'numbers';
}

/** Most models whose last layer is like this are trained like this. */
function guess({ activation, outputs }: ModelHints): Guess {
  if (activation === 'sigmoid') {
    return { output: 'probabilities', loss: 'sigmoidCrossEntropy', metric: 'accuracy', targets: 'numbers' };
  }
  if (outputs === 1) return { loss: 'meanSquaredError', metric: 'meanSquaredError', targets: 'numbers' };
  const output = activation === 'softmax' ? 'probabilities' : 'logits';
  return { output, loss: 'softmaxCrossEntropy', metric: 'accuracy', targets: 'classes' };
}

const MODEL_IN_CHECKPOINT = `  // The checkpoints have the architecture in them.
  "model": "checkpoint",`;

/** Of Keras's `.weights.h5`. */
const MODEL_BESIDE = `  // These checkpoints hold weights only. Write the architecture once, in Python:
  //   open("model.json", "w").write(model.to_json())
  "model": "model.json",`;

function declaration(hints: ModelHints, model: string): string {
  const { output, loss, metric, targets } = guess(hints);
  const known = hints.inputShape?.every((length) => length > 0) === true ? hints.inputShape : undefined;
  const inputs = known?.reduce((product, length) => product * length, 1);
  const outputs = hints.outputs ?? 10;
  const first = inputs ?? 1;
  const inputSource = {
    file: 'data.csv',
    columns: first === 1 ? '0' : `0-${first - 1}`,
    ...(known !== undefined && known.length > 1 ? { shape: known } : {}),
  };
  const targetSource =
    targets === 'classes'
      ? { file: 'data.csv', columns: String(first), classes: Math.max(2, outputs) }
      : { file: 'data.csv', columns: outputs === 1 ? String(first) : `${first}-${first + outputs - 1}` };
  const lastLayer =
    hints.activation === undefined ? '' : ` This model ends in the activation "${hints.activation}".`;
  return `{
  // How to compute the loss of this model. Paths are relative to this file; completion lists what else there is.
  "engine": "tfjs",
${model}
  "data": {
    // Examples are the rows of a .csv, .npy or .npz file; columns count from 0.
    "inputs": ${oneLine(inputSource)},
    "targets": ${oneLine(targetSource)},
    // {"train": [rows], "validation": [rows], "test": [rows]}: rows count from 0, and test may be left out.
    "splits": "splits.json",
  },
${output === undefined ? '' : `  // "logits" or "probabilities".${lastLayer}\n  "output": "${output}",\n`}  "loss": "${loss}",
  "metric": "${metric}",
}
`;
}

function moduleTask(): string {
  return `{
  // How to compute the loss of this model. Paths are relative to this file; completion lists what else there is.
  "engine": "tfjs",
  // These checkpoints hold weights only: the module builds the model around them. What it exports of model, data,
  // loss and metrics replaces the same declaration in this file.
  "module": "./${MODULE_NAME}",
  // A name that the module's metrics function gives.
  "metric": { "name": "accuracy", "goal": "maximize" },
}
`;
}

const NOT_TRAINED = /(?:running|moving)_(?:mean|var|variance)$|num_batches_tracked$/;

function moduleText(header: CheckpointHeader): string {
  const float = (tensor: TensorInfo): boolean => /^B?F\d/.test(tensor.dtype) && tensor.aliasOf === undefined;
  const weights = header.tensors
    .filter(float)
    .map(({ name, shape }) => {
      const trained = NOT_TRAINED.test(name) ? ', false' : '';
      return `    ${JSON.stringify(name)}: tf.variable(tf.zeros([${shape.join(', ')}])${trained}),`;
    })
    .join('\n');
  return `// How to compute the loss of this model: see ${TASK_FILE_NAME} beside this file. Every function gets a last argument
// { tf, training, checkpoint, task }: TensorFlow.js, whether this is a training step, and two absolute paths.

/** The model: a tf.LayersModel, or its weights by their names in the checkpoint and the function they belong to. */
export function model({ tf }) {
  // A second argument false: not trained (running statistics of batch norm).
  const weights = {
${weights}
  };
  return {
    weights,
    apply(x, { training }) {
      throw new Error('${MODULE_NAME}: write the forward pass of the model.');
    },
  };
}

/**
 * The examples of 'train', 'validation' or 'test': { xs, ys } as tensors, { size, batch(indices) } that gives
 * { xs, ys }, or a list of such batches. Give undefined for 'test' where there is none.
 */
export function data(split, { tf }) {
  throw new Error(\`${MODULE_NAME}: load the \${split} examples.\`);
}

/** The loss of a batch: a vector with one number per example, or their mean. */
export function loss(model, { xs, ys }, { tf, training }) {
  const logits = model.apply(xs, { training });
  return tf.losses.softmaxCrossEntropy(ys, logits, undefined, 0, tf.Reduction.NONE);
}

/** Metrics of a batch by name: vectors with one number per example, or means. */
export function metrics(model, { xs, ys }, { tf }) {
  const logits = model.apply(xs, { training: false });
  return { accuracy: tf.cast(tf.equal(tf.argMax(logits, -1), tf.argMax(ys, -1)), 'float32') };
}
`;
}

function oneLine(source: object): string {
  return JSON.stringify(source, null, 1)
    .replaceAll(/\s*\n\s*/g, ' ')
    .replaceAll(/\[ /g, '[')
    .replaceAll(/ \]/g, ']');
}
