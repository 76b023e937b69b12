/** The model that a twa.json names: the one in the checkpoint, or in a file of its own. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { isRecord } from '../../core/checkpoints/json.ts';
import type { CheckpointHeader } from '../../core/checkpoints/types.ts';
import { TwaError } from '../../core/errors.ts';
import { mayHoldArchitecture, readArchitecture } from '../../core/keras/architecture.ts';
import type { KerasArchitecture } from '../../core/keras/architecture.ts';
import type { CustomLayers } from '../keras/build.ts';
import { kerasTaskModel } from '../keras/model.ts';
import { layersTaskModel, readLayersModel } from './layers-model.ts';
import type { TaskModel } from './model.ts';

/**
 * @param declared "checkpoint", or an absolute path.
 * @param custom Layers of a task module.
 * @throws TwaError `bad-task`, `unsupported`, `mismatch`.
 */
export async function declaredModel(
  declared: string,
  header: CheckpointHeader,
  custom: CustomLayers,
): Promise<TaskModel> {
  const file = declared === 'checkpoint' ? architectureFile(header) : declared;
  if (!/\.json$/i.test(file)) {
    const architecture = await readArchitecture(file);
    if (architecture === undefined) throw weightsOnly(file);
    return kerasTaskModel(architecture, header, custom);
  }
  const document = await readJson(file);
  if (!isRecord(document) || !('modelTopology' in document)) {
    return kerasTaskModel((await readArchitecture(file))!, header, custom);
  }
  const keras3 = convertedFromKeras3(file, document['modelTopology']);
  return keras3 === undefined
    ? layersTaskModel(await readLayersModel(file))
    : kerasTaskModel(keras3, header, custom);
}

/** Where a checkpoint's own architecture is. */
function architectureFile({ path: checkpoint, format }: CheckpointHeader): string {
  if (format === 'tfjs-layers') return path.join(checkpoint, 'model.json');
  if (mayHoldArchitecture(checkpoint)) return checkpoint;
  throw weightsOnly(checkpoint);
}

function weightsOnly(file: string): TwaError {
  return new TwaError(
    'bad-task',
    `${file} holds weights only: name a "model" in twa.json (a .keras or .h5 file with the architecture, the JSON of ` +
      "model.to_json(), or a LayersModel's model.json), or a module that exports one.",
    { place: { path: file } },
  );
}

/** What tensorflowjs's converter leaves of a model of Keras 3, which tfjs itself cannot read. */
function convertedFromKeras3(file: string, topology: unknown): KerasArchitecture | undefined {
  const model =
    isRecord(topology) && isRecord(topology['model_config']) ? topology['model_config'] : topology;
  if (!isRecord(model) || !/"registered_name":|"batch_shape":/.test(JSON.stringify(model))) return undefined;
  return { path: file, model };
}

async function readJson(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as unknown;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new TwaError('bad-task', `The model in ${file} cannot be built: ${reason}`, {
      place: { path: file },
      cause: error,
    });
  }
}
