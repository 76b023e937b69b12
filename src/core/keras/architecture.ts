/**
 * The architecture that Keras writes beside its weights: `config.json` in a `.keras` archive, the attribute
 * `model_config` of a legacy `.h5`, or the JSON of `model.to_json()` in a file of its own. Read as data: what stands for
 * Python code in it (a Lambda layer) is never run.
 */
import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { hasTooManyParts, isRecord, MAX_JSON_BYTES } from '../checkpoints/json.ts';
import { findTexts, type Texts } from '../checkpoints/hdf5/objects.ts';
import { withPositioned } from '../checkpoints/positioned.ts';
import { CutOff, FormatError } from '../checkpoints/single.ts';
import { bytesAt } from '../checkpoints/zip.ts';
import { packedZipEntries } from '../checkpoints/zipEntries.ts';
import { TwaError } from '../errors.ts';

export type Fields = Readonly<Record<string, unknown>>;

export interface KerasArchitecture {
  /** Absolute path of the file that it is in. */
  readonly path: string;
  /** `class_name`, `config` and more of the model itself. */
  readonly model: Fields;
  /** "3.15.1"; undefined where the file does not say. */
  readonly version?: string;
}

/** A model in a model takes four. */
const MAX_DEPTH = 300;

const ARCHIVE = /\.keras$/i;
const HDF5 = /\.(?:h5|hdf5)$/i;

/** Whether a file may hold an architecture, by its name. */
export const mayHoldArchitecture = (file: string): boolean =>
  ARCHIVE.test(file) || HDF5.test(file) || /\.json$/i.test(file);

/**
 * Undefined for a file that holds weights alone.
 * @throws TwaError `bad-task`, `not-found`.
 */
export async function readArchitecture(file: string): Promise<KerasArchitecture | undefined> {
  try {
    if (ARCHIVE.test(file)) return await fromArchive(file);
    if (HDF5.test(file)) return await fromHdf5(file);
    const { size } = await stat(file);
    requireSize(size);
    return ofText(file, await readFile(file));
  } catch (error) {
    if (error instanceof TwaError) throw error;
    if (error instanceof FormatError || error instanceof CutOff) throw bad(file, error.message);
    const reason = error instanceof Error ? error.message : String(error);
    throw new TwaError('not-found', `The architecture in ${file} cannot be read: ${reason}`, {
      place: { path: file },
      cause: error,
    });
  }
}

/**
 * The paths of the datasets of a legacy `.h5` by the name of the layer, in the order in which Keras assigns them.
 * Undefined for a file of another kind.
 */
export async function readLegacyOrder(
  file: string,
): Promise<ReadonlyMap<string, readonly string[]> | undefined> {
  if (!HDF5.test(file)) return undefined;
  const groups = await textsIn(file);
  const prefix = groups.get('model_weights')?.has('layer_names') === true ? 'model_weights/' : '';
  if (prefix === '' && groups.get('')?.has('layer_names') !== true) return undefined;
  const order = new Map<string, readonly string[]>();
  for (const [group, texts] of groups) {
    if (!group.startsWith(prefix) || group === prefix) continue;
    const names = pieces(texts, 'weight_names');
    if (names.length > 0)
      order.set(
        group.slice(prefix.length),
        names.map((name) => `${group}/${name}`),
      );
  }
  return order;
}

async function fromArchive(file: string): Promise<KerasArchitecture> {
  const { size } = await stat(file);
  return withPositioned(file, size, async (positioned) => {
    const entries = await packedZipEntries(positioned);
    const read = async (name: string): Promise<Buffer | undefined> => {
      const entry = entries.find((candidate) => candidate.name === name);
      if (entry === undefined) return undefined;
      if (entry.deflated) throw new FormatError(`has its ${name} compressed; save it again with Keras.`);
      requireSize(entry.size);
      return bytesAt(positioned.handle, entry.start, entry.size);
    };
    const config = await read('config.json');
    if (config === undefined) throw new FormatError('has no config.json in it.');
    const metadata = parse((await read('metadata.json')) ?? Buffer.from('{}'));
    const version = isRecord(metadata) ? metadata['keras_version'] : undefined;
    return { ...ofText(file, config), ...(typeof version === 'string' ? { version } : {}) };
  });
}

async function fromHdf5(file: string): Promise<KerasArchitecture | undefined> {
  const root = (await textsIn(file)).get('');
  const config = root?.get('model_config')?.[0];
  if (config === undefined) return undefined;
  const version = root?.get('keras_version')?.[0];
  return { ...ofText(file, Buffer.from(config)), ...(version === undefined ? {} : { version }) };
}

/** Of the root and the two levels below it, where a legacy file has its attributes. */
async function textsIn(file: string): Promise<ReadonlyMap<string, Texts>> {
  const { size } = await stat(file);
  return withPositioned(file, size, (positioned) =>
    findTexts(positioned, 0, size, (group) => {
      const [first, ...rest] = group.split('/');
      return rest.length <= (first === 'model_weights' ? 1 : 0) && first !== 'optimizer_weights';
    }),
  );
}

/** A long list is in several attributes: `weight_names0`, `weight_names1`, ... */
function pieces(texts: Texts, name: string): readonly string[] {
  const whole = texts.get(name);
  if (whole !== undefined) return whole;
  const all: string[] = [];
  for (let i = 0; ; i++) {
    const piece = texts.get(`${name}${i}`);
    if (piece === undefined) return all;
    all.push(...piece);
  }
}

function ofText(file: string, bytes: Uint8Array): KerasArchitecture {
  requireSize(bytes.length);
  if (hasTooManyParts(bytes)) throw bad(file, 'describes more layers than any model has.');
  if (depthOf(bytes) > MAX_DEPTH)
    throw bad(file, `has objects in objects more than ${MAX_DEPTH} levels deep.`);
  let model: unknown;
  try {
    model = parse(bytes);
  } catch (error) {
    throw bad(file, `is not valid JSON: ${error instanceof Error ? error.message : String(error)}.`);
  }
  if (!isRecord(model) || typeof model['class_name'] !== 'string' || !isRecord(model['config'])) {
    throw bad(
      file,
      'does not describe a Keras model: there is no class_name and config in it, which model.to_json() gives.',
    );
  }
  const version = model['keras_version'];
  return { path: path.resolve(file), model, ...(typeof version === 'string' ? { version } : {}) };
}

function parse(bytes: Uint8Array): unknown {
  const text = Buffer.from(bytes).toString('utf8');
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // Python writes numbers that JSON does not have.
    return JSON.parse(text.replaceAll(/(?<=[[,:]\s*)(-?Infinity|NaN)(?=\s*[,\]}])/g, '"$1"')) as unknown;
  }
}

/** Of brackets outside of texts. */
function depthOf(json: Uint8Array): number {
  let depth = 0;
  let deepest = 0;
  let inText = false;
  for (let i = 0; i < json.length; i++) {
    const character = String.fromCharCode(json[i]!);
    if (inText) {
      if (character === '\\') i++;
      else if (character === '"') inText = false;
    } else if (character === '"') inText = true;
    else if (character === '{' || character === '[') deepest = Math.max(deepest, ++depth);
    else if (character === '}' || character === ']') depth--;
  }
  return deepest;
}

function requireSize(size: number): void {
  if (size > MAX_JSON_BYTES)
    throw new FormatError(
      `describes its architecture in ${size} bytes; more than ${MAX_JSON_BYTES} are not read.`,
    );
}

function bad(file: string, message: string): TwaError {
  return new TwaError('bad-task', `${file} ${message}`, { place: { path: file } });
}
