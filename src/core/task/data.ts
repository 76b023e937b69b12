/** Declared data (twa.json's `data`), loaded: files in, plain arrays out. */
import { TwaError } from '../errors.ts';
import type { Block } from './block.ts';
import { readCsv } from './csv.ts';
import { readNpy, readNpz } from './npy.ts';
import { readSplitRows, type SplitRows } from './rows.ts';
import type {
  ArrayDataset,
  ArraySource,
  DataDeclaration,
  ExampleSource,
  TaskFile,
  UserSplit,
} from './types.ts';

type Table = Extract<DataDeclaration, { splits: string }>;

interface LoadedTable {
  readonly examples: ArrayDataset;
  readonly rows: SplitRows;
}

/** A table is read once, not once per split; it goes when its task goes. */
const tables = new WeakMap<Table, Promise<LoadedTable>>();

/**
 * The examples of one split, or undefined where the task declares no data or no such split. Throws a TwaError
 * 'bad-data' that says where in which file the first wrong thing is.
 */
export async function loadSplit(
  task: TaskFile,
  split: UserSplit,
  signal?: AbortSignal,
): Promise<ArrayDataset | undefined> {
  const { data } = task;
  if (data === undefined) return undefined;
  if (!('splits' in data)) {
    const source = data[split];
    return source === undefined ? undefined : loadExamples(task, source, signal);
  }
  let table = tables.get(data);
  if (table === undefined) {
    table = loadTable(task, data, signal);
    tables.set(data, table);
    // A failed read is not remembered: the file may be mended and the task tried again.
    table.catch(() => tables.delete(data));
  }
  const { examples, rows } = await table;
  const chosen = rows[split];
  return chosen === undefined ? undefined : selectRows(examples, chosen);
}

async function loadTable(task: TaskFile, data: Table, signal: AbortSignal | undefined): Promise<LoadedTable> {
  const examples = await loadExamples(task, data, signal);
  return { examples, rows: await readSplitRows(data.splits, examples.size) };
}

async function loadExamples(
  task: TaskFile,
  source: ExampleSource,
  signal: AbortSignal | undefined,
): Promise<ArrayDataset> {
  const [inputs, targets] = await readBoth(source, signal);
  if (inputs.rows !== targets.rows) {
    throw new TwaError(
      'bad-data',
      `${source.inputs.file} has ${inputs.rows} examples and ${source.targets.file} has ${targets.rows}: ` +
        'every input needs its target.',
      { place: { path: source.targets.file } },
    );
  }
  const { classes } = source.targets;
  const targetShape = shapeOf(targets, source.targets);
  if (classes !== undefined) {
    return {
      size: inputs.rows,
      inputs: inputs.values,
      inputShape: shapeOf(inputs, source.inputs),
      targets: await oneHot(targets, classes, source.targets.file),
      targetShape: [classes],
    };
  }
  // A module may bring its own loss, which may want class numbers.
  if (task.module === undefined && task.loss === 'softmaxCrossEntropy' && sizeOf(targetShape) === 1) {
    throw new TwaError(
      'bad-data',
      `${task.path}: softmaxCrossEntropy needs one-hot targets, but ${source.targets.file} gives one number per ` +
        'example; add "classes" to the targets if these are class numbers.',
      { place: { path: task.path } },
    );
  }
  return {
    size: inputs.rows,
    inputs: inputs.values,
    inputShape: shapeOf(inputs, source.inputs),
    targets: targets.values,
    targetShape,
  };
}

/** A CSV file that holds both is parsed once. */
async function readBoth(
  { inputs, targets }: ExampleSource,
  signal: AbortSignal | undefined,
): Promise<[inputs: Block, targets: Block]> {
  if (inputs.file === targets.file && inputs.file.endsWith('.csv') && inputs.header === targets.header) {
    const [first, second] = await readCsv(inputs.file, inputs.header, [inputs, targets], signal);
    return [first!, second!];
  }
  return [await readBlock(inputs, signal), await readBlock(targets, signal)];
}

async function readBlock(source: ArraySource, signal: AbortSignal | undefined): Promise<Block> {
  if (source.file.endsWith('.npy')) return readNpy(source.file, source.scale, signal);
  if (source.file.endsWith('.npz')) return readNpz(source.file, source.array, source.scale, signal);
  const [block] = await readCsv(source.file, source.header, [source], signal);
  return block!;
}

/**
 * The declared shape, or the file's own. An array [rows] of single numbers becomes [rows, 1]: against a model's
 * output of that shape, [rows] would broadcast to [rows, rows].
 */
function shapeOf(block: Block, source: ArraySource): readonly number[] {
  const { shape } = source;
  if (shape === undefined) return block.shape.length === 0 ? [1] : block.shape;
  if (sizeOf(shape) !== sizeOf(block.shape)) {
    throw new TwaError(
      'bad-data',
      `${source.file} gives ${sizeOf(block.shape)} numbers per example, but shape [${shape.join(', ')}] needs ` +
        `${sizeOf(shape)}.`,
      { place: { path: source.file } },
    );
  }
  return shape;
}

async function oneHot(labels: Block, classes: number, file: string): Promise<Float32Array> {
  if (sizeOf(labels.shape) !== 1) {
    throw new TwaError(
      'bad-data',
      `${file} gives ${sizeOf(labels.shape)} targets per example, but "classes" needs one class number per example.`,
      { place: { path: file } },
    );
  }
  const vectors = new Float32Array(labels.rows * classes);
  for (let row = 0; row < labels.rows; row++) {
    const label = labels.values[row]!;
    if (!Number.isInteger(label) || label < 0 || label >= classes) {
      const { text, place } = await labels.locate(row);
      throw new TwaError('bad-data', `${text} is ${label}, which is no class from 0 to ${classes - 1}.`, {
        place,
      });
    }
    vectors[row * classes + label] = 1;
  }
  return vectors;
}

function selectRows(from: ArrayDataset, rows: Int32Array): ArrayDataset {
  const gather = (values: Float32Array, width: number): Float32Array => {
    const chosen = new Float32Array(rows.length * width);
    rows.forEach((row, at) => chosen.set(values.subarray(row * width, (row + 1) * width), at * width));
    return chosen;
  };
  return {
    ...from,
    size: rows.length,
    inputs: gather(from.inputs, sizeOf(from.inputShape)),
    targets: gather(from.targets, sizeOf(from.targetShape)),
  };
}

function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, length) => product * length, 1);
}
