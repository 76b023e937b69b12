import path from 'node:path';
import * as l10n from '@vscode/l10n';
import * as vscode from 'vscode';
import { runJob } from '../../compute/client.ts';
import type { ConvertJobResult } from '../../compute/protocol.ts';
import { planConversion, requirePlace, SAFETENSORS_EXTENSION } from '../../core/checkpoints/convert.ts';
import { partialPathFor } from '../../core/checkpoints/publish.ts';
import { requireComplete } from '../../core/checkpoints/registry.ts';
import type { JobQueue } from '../averaging/jobQueue.ts';
import { showProgress } from '../averaging/notification.ts';
import type { Dialogs } from '../dialogs.ts';
import { textOf } from '../errors.ts';
import { formatBytes } from '../text.ts';
import { requireTrust } from '../trust.ts';
import type { Runs } from '../watching/runs.ts';
import type { CheckpointChoice } from './checkpointChoice.ts';
import type { Target } from './targets.ts';

export interface ConvertDependencies {
  readonly choice: CheckpointChoice;
  readonly runs: Runs;
  readonly jobs: JobQueue;
  readonly dialogs: Dialogs;
  readonly log: vscode.LogOutputChannel;
}

/**
 * Each checkpoint pointed at becomes a safetensors file of a name that the user gives, in the compute process. Gives
 * what was written; fewer where the user turned away.
 */
export async function convertToSafetensors(
  targets: readonly Target[],
  { choice, runs, jobs, dialogs, log }: ConvertDependencies,
): Promise<readonly ConvertJobResult[]> {
  requireTrust(l10n.t('Trust this workspace to convert checkpoints: that writes files.'));
  const title = l10n.t('Convert to safetensors');
  const pointed = await choice.pointedAt(targets, title);
  const checkpoints = pointed.length > 0 ? pointed : await choice.ask(title, l10n.t('Which checkpoint?'));
  const written: ConvertJobResult[] = [];
  for (const checkpoint of checkpoints) {
    const header = await requireComplete(checkpoint);
    // What cannot be converted is told before a name is asked for.
    const { bytes } = planConversion(header);
    const output = await dialogs.saveAs(title, suggestionFor(header.path), [SAFETENSORS_EXTENSION.slice(1)]);
    if (output === undefined) break;
    await requirePlace(output, bytes);
    const jobTitle = l10n.t('Converting {0}', path.basename(header.path));
    const job = jobs.add(
      jobTitle,
      ({ signal, report }) =>
        runJob(
          'convert',
          { checkpoint: header.path, output, partial: partialPathFor(output) },
          {
            signal,
            onProgress: ({ fraction }) => report(fraction, path.basename(output)),
            onLog: (level, text) => log[level](text),
          },
        ),
      { reads: [header.path] },
    );
    showProgress(jobTitle, jobs, job);
    const result = await job.result;
    log.info([`${header.path} -> ${output}`, ...result.notes].join('\n  '));
    tell(result, dialogs, log);
    written.push(result);
  }
  if (written.length > 0) await runs.refresh();
  return written;
}

/** `runs/a/epoch-3.pt` -> `runs/a/epoch-3.safetensors`; a directory's file lies beside it. */
function suggestionFor(checkpoint: string): string {
  const stem = path
    .basename(checkpoint)
    .replace(/(?:\.(?:pth?|ckpt|tar|bin|h5|hdf5|keras|npz|msgpack|weights|safetensors))+$/i, '');
  return path.join(path.dirname(checkpoint), stem + SAFETENSORS_EXTENSION);
}

/** Does not wait for the user. */
function tell(
  { output, tensors, bytes }: ConvertJobResult,
  dialogs: Dialogs,
  log: vscode.LogOutputChannel,
): void {
  const open = l10n.t('Open Tensors');
  dialogs
    .notify(
      'info',
      l10n.t('{0} holds {1} tensors ({2}).', path.basename(output), tensors, formatBytes(bytes)),
      [open],
    )
    .then(async (button) => {
      if (button === open) await vscode.commands.executeCommand('twa.openTensors', output);
    })
    .catch((failure: unknown) => log.error(textOf(failure)));
}
