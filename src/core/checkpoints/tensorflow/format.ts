/**
 * TensorFlow: checkpoints of `tf.train.Checkpoint` and `tf.compat.v1.train.Saver` (`<stem>.index` with the names,
 * `<stem>.data-0000k-of-0000n` with the numbers), and SavedModel directories, which hold one as `variables/variables`.
 */
import { basename, dirname, extname, join } from 'node:path';

import { CompanionError, companionsOf } from '../companions.ts';
import { flatFormat, type LayoutResult } from '../flat.ts';
import { positionOf } from '../names.ts';
import { CutOff, FormatError } from '../single.ts';
import { stampOf } from '../stat.ts';
import { DATA, INDEX, readBundle, type Bundle } from './bundle.ts';

const CHECKPOINT = 'tensorflow-checkpoint';
const SAVED_MODEL = 'tensorflow-saved-model';
const VARIABLES = 'variables';
const MODEL_FILE = 'saved_model.pb';
/** The graph that `tf.compat.v1.train.Saver` writes beside a checkpoint. */
const META_GRAPH = '.meta';

export const tensorflowCheckpoint = flatFormat({
  id: CHECKPOINT,
  label: 'TensorFlow checkpoint',
  kind: 'siblings',
  candidate(path) {
    if (savedModelOf(path) !== undefined) return undefined;
    const name = basename(path);
    if (extname(name) === INDEX) return path;
    return DATA.test(name) ? path.replace(DATA, INDEX) : undefined;
  },
  outputName: (stem) => stem + INDEX,
  async readLayout(path, signal) {
    const bundle = await read(path, basename(path), signal);
    if ('reason' in bundle) return bundle;
    const graph = await stampOf(path.slice(0, -INDEX.length) + META_GRAPH);
    const files = graph.state === 'complete' ? [...bundle.files, graph.stamp] : bundle.files;
    return layout(path, CHECKPOINT, { ...bundle, files });
  },
});

export const tensorflowSavedModel = flatFormat({
  id: SAVED_MODEL,
  label: 'TensorFlow SavedModel',
  kind: 'directory',
  candidate: (path) => (basename(path) === MODEL_FILE ? dirname(path) : savedModelOf(path)),
  outputName: (stem) => stem,
  async readLayout(path, signal) {
    const name = basename(path);
    const bundle = await read(join(path, VARIABLES, VARIABLES + INDEX), `${name}/${VARIABLES}`, signal);
    if ('reason' in bundle) return bundle;
    try {
      const known = new Set(bundle.files.map((file) => file.path));
      const companions = await companionsOf(path, known, signal);
      if (!companions.some((file) => file.path === join(path, MODEL_FILE))) {
        return { state: 'incomplete', reason: `${name} has no ${MODEL_FILE} (yet).` };
      }
      return layout(path, SAVED_MODEL, { ...bundle, files: [...bundle.files, ...companions] });
    } catch (error) {
      if (error instanceof CompanionError) return { state: 'unreadable', reason: `${name} ${error.message}` };
      throw error;
    }
  },
});

/** `model/variables/variables.index` belongs to `model`. */
function savedModelOf(path: string): string | undefined {
  const directory = dirname(path);
  const isPart = new RegExp(`^${VARIABLES}(?:\\${INDEX}|${DATA.source})`).test(basename(path));
  return isPart && basename(directory) === VARIABLES ? dirname(directory) : undefined;
}

async function read(
  index: string,
  name: string,
  signal: AbortSignal | undefined,
): Promise<Bundle | Exclude<LayoutResult, { readonly state: 'complete' }>> {
  try {
    return await readBundle(index, signal);
  } catch (error) {
    if (error instanceof FormatError) return { state: 'unreadable', reason: `${name} ${error.message}` };
    if (error instanceof CutOff) {
      return {
        state: 'incomplete',
        reason: `${name} ${error.message}; it is cut off or still being written.`,
      };
    }
    throw error;
  }
}

function layout(path: string, format: string, bundle: Bundle): LayoutResult {
  const { tensors, files, notes, optimizer, positions, checksums } = bundle;
  const header = { path, format, tensors, metadata: {}, files, notes, optimizer, ...positionOf(path) };
  return { state: 'complete', layout: { header, positions, checksums } };
}
