/** An average that another extension asks for: the same queue, process and progress as for the command. */
import * as l10n from '@vscode/l10n';
import path from 'node:path';
import type * as vscode from 'vscode';
import type { AverageRequest, AverageResult } from '../../../api/twa.d.ts';
import { runJob } from '../../compute/client.ts';
import { METHODS, RULES } from '../../core/averaging/methods.ts';
import {
  asArray,
  asNumber,
  asObject,
  asOneOf,
  asString,
  NarrowError,
  type Narrow,
} from '../../core/averaging/narrow.ts';
import { chooseOutput } from '../../core/averaging/output.ts';
import { reportPathFor } from '../../core/averaging/report.ts';
import type { AverageReport } from '../../core/averaging/types.ts';
import { requireSameArchitecture } from '../../core/checkpoints/compare.ts';
import { inTrainingOrder } from '../../core/checkpoints/order.ts';
import { expandPaths, requireComplete } from '../../core/checkpoints/registry.ts';
import { TwaError } from '../../core/errors.ts';
import { readSetting } from '../api.ts';
import type { JobControl, JobQueue } from '../averaging/jobQueue.ts';
import { showProgress } from '../averaging/notification.ts';
import { overall, progressText } from '../averaging/progress.ts';
import { pytorchOptions } from '../averaging/python.ts';
import { requireTrust } from '../trust.ts';

export interface AverageDependencies {
  readonly jobs: JobQueue;
  readonly log: vscode.LogOutputChannel;
  /** Looks again: a file system may tell nobody that something new is there. */
  readonly refresh: () => Promise<void>;
}

const asPath: Narrow<string> = (value, at) => {
  const text = asString(value, at);
  if (!path.isAbsolute(text)) throw new NarrowError(at, 'an absolute path', value);
  return text;
};

const asCount: Narrow<number> = (value, at) => {
  const count = asNumber(value, at);
  if (!Number.isSafeInteger(count) || count < 1) throw new NarrowError(at, 'a whole number from 1', value);
  return count;
};

const asRequest: Narrow<AverageRequest> = asObject((members) => ({
  checkpoints: members.get('checkpoints', asArray(asPath)),
  ...members.maybe('method', asOneOf(...METHODS)),
  ...members.maybe('task', asPath),
  ...members.maybe('coefficients', asArray(asNumber)),
  ...members.maybe('k', asCount),
  ...members.maybe('rule', asOneOf(...RULES)),
  ...members.maybe('epochs', asCount),
  ...members.maybe('seed', asNumber),
  ...members.maybe('directory', asPath),
}));

export async function averageFor(
  given: unknown,
  signal: unknown,
  deps: AverageDependencies,
): Promise<AverageResult> {
  requireTrust(
    l10n.t('Trust this workspace to average checkpoints: that runs code of the project and writes files.'),
  );
  let request: AverageRequest;
  try {
    request = asRequest(given, '');
  } catch (error) {
    if (!(error instanceof NarrowError)) throw error;
    throw new TwaError('usage', `This request for an average cannot be understood: ${error.message}.`);
  }
  if (signal !== undefined && !(signal instanceof AbortSignal))
    throw new TwaError('usage', 'What cancels an average is an AbortSignal.');
  const { jobs, refresh } = deps;
  const title = l10n.t('Averaging {0} checkpoints', request.checkpoints.length);
  const job = jobs.add(title, (control) => run(request, control, deps), { reads: request.checkpoints });
  const cancel = (): void => job.cancel();
  if (signal?.aborted === true) cancel();
  signal?.addEventListener('abort', cancel, { once: true });
  showProgress(title, jobs, job);
  try {
    const report = await job.result;
    await refresh();
    return resultOf(report);
  } finally {
    signal?.removeEventListener('abort', cancel);
  }
}

async function run(
  request: AverageRequest,
  { signal, report }: JobControl,
  { log }: AverageDependencies,
): Promise<AverageReport> {
  const { method = 'uniform', task, coefficients, k, rule, epochs, seed = 1, directory } = request;
  const paths = await expandPaths(request.checkpoints, signal);
  const headers = inTrainingOrder(await Promise.all(paths.map((file) => requireComplete(file, signal))));
  const template = headers.at(-1);
  if (template === undefined) throw new TwaError('usage', 'There is no checkpoint to average.');
  requireSameArchitecture(headers);
  const place = await chooseOutput({
    headers,
    method,
    ...(method === 'twa' && rule !== undefined ? { rule } : {}),
    ...(directory === undefined ? {} : { directory }),
  });
  const pytorch = task === undefined ? undefined : await pytorchOptions(task, log);
  return runJob(
    'average',
    {
      checkpoints: headers.map((header) => header.path),
      method,
      ...(task === undefined ? {} : { task }),
      options: {
        ...(rule === undefined ? {} : { rule }),
        ...(epochs === undefined ? {} : { epochs }),
      },
      ...(k === undefined ? {} : { settings: { k } }),
      ...(coefficients === undefined ? {} : { coefficients }),
      buffers: task === undefined ? 'average' : 'recalibrate',
      seed,
      backend: readSetting('backend'),
      ...(pytorch === undefined ? {} : { pytorch }),
      ...place,
    },
    {
      signal,
      cwd: path.dirname(task ?? template.path),
      onProgress: (progress) => report(overall(progress), progressText(progress)),
      onLog: (level, text) => log[level](text),
    },
  );
}

function resultOf({ output, coefficients, recommendation, table }: AverageReport): AverageResult {
  return {
    output,
    report: reportPathFor(output),
    coefficients,
    recommendation: recommendation.sentence,
    rows: table.map(({ label, metric, loss }) => ({ label, metric, loss })),
  };
}
