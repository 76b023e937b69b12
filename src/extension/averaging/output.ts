/** A name for an average that the user gives. No VS Code here. */
import * as l10n from '@vscode/l10n';
import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import { reportPathFor } from '../../core/averaging/report.ts';
import { formatById } from '../../core/checkpoints/registry.ts';
import type { CheckpointHeader } from '../../core/checkpoints/types.ts';

/**
 * The path that a text means: a name beside `automatic`, or a path relative to it or absolute, with the extension that
 * the format of `template` asks for.
 */
export function outputFrom(text: string, automatic: string, template: CheckpointHeader): string {
  const at = path.resolve(path.dirname(automatic), text.trim());
  const format = formatById(template.format);
  const extension = format.outputName('x', template).slice(1);
  const name = path.basename(at);
  const stem = name.endsWith(extension) ? name.slice(0, name.length - extension.length) : name;
  return path.join(path.dirname(at), format.outputName(stem, template));
}

/** Why nothing can be written there, or undefined. */
export function outputProblem(
  text: string,
  automatic: string,
  template: CheckpointHeader,
): string | undefined {
  if (text.trim() === '') return l10n.t('A name, or a path.');
  const output = outputFrom(text, automatic, template);
  if (existsSync(output) || existsSync(reportPathFor(output, false))) {
    return l10n.t('{0} is there already; nothing is ever overwritten.', path.basename(output));
  }
  const directory = path.dirname(output);
  const isFolder = statSync(directory, { throwIfNoEntry: false })?.isDirectory();
  if (isFolder === false) return l10n.t('{0} is a file.', directory);
  if (isFolder === undefined && directory !== path.dirname(automatic)) {
    return l10n.t('There is no folder {0}.', directory);
  }
  return undefined;
}
