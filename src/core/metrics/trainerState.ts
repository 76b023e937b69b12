/**
 * Hugging Face `trainer_state.json`: the Trainer writes one into every `checkpoint-N` directory, each with the whole
 * history so far in `log_history` (a list of flat objects with `step` and `epoch`). It is written whole, so it is
 * read whole, when it changed.
 */
import { readFile, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { hasCode } from '../checkpoints/files.ts';
import { throwIfAborted } from '../errors.ts';
import { axisOf } from './columns.ts';
import { flatten, isObject, parseLooseJson } from './json.ts';
import { RowCollector } from './rows.ts';
import type { MetricsFormat, MetricsTail, MetricsUpdate, TrainingFacts } from './types.ts';

/** A million log lines; a larger file is none of the Trainer's. */
const MAX_BYTES = 256 << 20;

const NOTHING_NEW: MetricsUpdate = { reset: false, points: [], warnings: [] };

export const trainerStateFormat: MetricsFormat = {
  id: 'trainer-state',
  extensions: [],
  candidate: (path) => basename(path) === 'trainer_state.json',
  open: (path) => new TrainerStateTail(path),
};

class TrainerStateTail implements MetricsTail {
  readonly path: string;
  #stamp = '';

  constructor(path: string) {
    this.path = path;
  }

  async poll(signal?: AbortSignal, atEnd = false): Promise<MetricsUpdate> {
    throwIfAborted(signal);
    let text: string;
    try {
      const { ino, size, mtimeMs } = await stat(this.path);
      const stamp = `${ino}:${size}:${mtimeMs}`;
      if (stamp === this.#stamp) return NOTHING_NEW;
      this.#stamp = stamp;
      if (size > MAX_BYTES) return this.#unreadable(`it is larger than ${MAX_BYTES >> 20} MiB`);
      text = await readFile(this.path, 'utf8');
    } catch (error) {
      if (!hasCode(error, 'ENOENT', 'ENOTDIR')) throw error;
      this.#stamp = '';
      return { reset: true, points: [], warnings: [] };
    }
    let state: unknown;
    try {
      state = parseLooseJson(text);
    } catch {
      // Most likely still being written: the next change brings the rest.
      return atEnd ? this.#unreadable('it is no JSON') : NOTHING_NEW;
    }
    const history: unknown = isObject(state) && 'log_history' in state ? state.log_history : undefined;
    if (!Array.isArray(history)) return this.#unreadable('it has no list `log_history`');
    const rows = new RowCollector();
    for (const entry of history as unknown[]) {
      if (isObject(entry)) rows.addRow(flatten(entry, (name) => axisOf(name) !== undefined));
    }
    return { reset: true, points: rows.take(), facts: factsIn(state), warnings: [] };
  }

  #unreadable(why: string): MetricsUpdate {
    return {
      reset: true,
      points: [],
      warnings: [`${this.path} could not be read as a Trainer's state: ${why}.`],
    };
  }
}

/** `max_steps` is always set when training has begun; epochs then follow from it. */
function factsIn(state: unknown): TrainingFacts {
  if (!isObject(state)) return {};
  const positive = (value: unknown): value is number => typeof value === 'number' && value > 0;
  const steps = 'max_steps' in state ? state.max_steps : undefined;
  const epochs = 'num_train_epochs' in state ? state.num_train_epochs : undefined;
  return {
    plan: { ...(positive(steps) ? { steps } : {}), ...(positive(epochs) ? { epochs } : {}) },
  };
}
