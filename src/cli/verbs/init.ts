import { stat } from 'node:fs/promises';
import path from 'node:path';
import { expandPaths, inspectPath, requireComplete } from '../../core/checkpoints/registry.ts';
import type { CheckpointHeader } from '../../core/checkpoints/types.ts';
import { TwaError } from '../../core/errors.ts';
import { createTask } from '../../core/task/scaffold.ts';
import { toJson } from '../json.ts';
import { text } from '../options.ts';
import { shownPath } from '../table.ts';
import { defineVerb } from '../verb.ts';

export const init = defineVerb({
  name: 'init',
  summary: 'write a first task file for a checkpoint or run',
  usage: 'PATH [--dir DIRECTORY] [--json]',
  description: `Writes twa.json, made to fit the checkpoint; for checkpoints that hold weights only also task.py (PyTorch's)
or task.mjs. Fill in where your data is. Existing files are left as they are, and the exit code is then 1.

JSON: {"written": [paths]}, the task file first.`,
  paths: { least: 1, most: 1 },
  options: {
    dir: text(
      'DIRECTORY',
      'where to put it (default: here when PATH lies below, else beside the checkpoint)',
    ),
  },
  async run({ paths: [given], values, json }, terminal) {
    const header = await newestComplete(given!, terminal.signal);
    const directory = path.resolve(values.dir ?? defaultDirectory(header.path));
    const found = await stat(directory).catch(() => undefined);
    if (found?.isDirectory() !== true) throw new TwaError('not-found', `There is no directory ${directory}.`);
    const written = await createTask(header, directory);
    terminal.print(json ? toJson({ written }) : written.map((file) => `Wrote ${shownPath(file)}`).join('\n'));
  },
});

/** The last checkpoint of a run may still be growing. Throws as `requireComplete` when no other is whole either. */
async function newestComplete(given: string, signal: AbortSignal): Promise<CheckpointHeader> {
  const paths = await expandPaths([given], signal);
  for (const checkpoint of paths.toReversed()) {
    const inspection = await inspectPath(checkpoint, signal);
    if (inspection.state === 'complete') return inspection.header;
  }
  return requireComplete(paths.at(-1)!, signal);
}

/** A task file serves all runs of a project, which is mostly where the command is run. */
function defaultDirectory(checkpoint: string): string {
  const here = process.cwd();
  const relative = path.relative(here, checkpoint);
  const below = relative !== '' && !relative.startsWith('..') && !path.isAbsolute(relative);
  return below ? here : path.dirname(checkpoint);
}
