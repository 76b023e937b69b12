/** Where a merged checkpoint goes when the user did not say. */
import { randomUUID } from 'node:crypto';
import { lstat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { hasCode } from '../checkpoints/files.ts';
import { PARTIAL_SUFFIX } from '../checkpoints/publish.ts';
import { AVERAGES_DIRECTORY, formatById } from '../checkpoints/registry.ts';
import type { CheckpointHeader } from '../checkpoints/types.ts';
import { TwaError } from '../errors.ts';
import { reportPathFor } from './report.ts';
import type { Method, TwaRule } from './types.ts';

export interface OutputRequest {
  /** Where to put it; `averages` beside the newest checkpoint when not given. */
  readonly directory?: string;
  /** Whose format and structure the average gets; the newest checkpoint when not given. */
  readonly template?: CheckpointHeader;
  /** Oldest first. */
  readonly headers: readonly CheckpointHeader[];
  readonly method: Method;
  readonly rule?: TwaRule;
}

/**
 * The first of `twa-v4-1`, `twa-v4-2`, ... that nothing exists for yet, checkpoint or report, and where it grows
 * until it is whole. Creates nothing.
 */
export async function chooseOutput(
  request: OutputRequest,
): Promise<{ readonly output: string; readonly partial: string }> {
  const template = request.template ?? request.headers.at(-1);
  if (template === undefined)
    throw new TwaError('usage', 'There is no checkpoint to average: name at least one.');
  const format = formatById(template.format);
  const beside = dirname(template.path);
  const directory =
    request.directory ??
    (basename(beside) === AVERAGES_DIRECTORY ? beside : join(beside, AVERAGES_DIRECTORY));
  const stem = request.rule === undefined ? request.method : `${request.method}-${request.rule}`;
  for (let number = 1; ; number++) {
    const name = format.outputName(`${stem}-${number}`, template);
    const output = join(directory, name);
    if (!(await exists(output)) && !(await exists(reportPathFor(output, false)))) {
      return { output, partial: join(directory, `.${name}.${randomUUID().slice(0, 8)}${PARTIAL_SUFFIX}`) };
    }
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return false;
    throw error;
  }
}
