import path from 'node:path';
import { dueNow, isRotatedAway, livePass, readOutcome } from '../../compute/livePass.ts';
import { FEWEST, EVERY, MOST_OF_HALF, type LivePlan } from '../../core/live/schedule.ts';
import { FEWEST_EXAMPLES, PASSES } from '../../core/live/verdict.ts';
import { describeLine, describeVerdict } from '../../core/live/words.ts';
import { DEFAULT_RULE } from '../../core/averaging/defaults.ts';
import { RULES } from '../../core/averaging/methods.ts';
import { requireComplete } from '../../core/checkpoints/registry.ts';
import { throwIfAborted, TwaError } from '../../core/errors.ts';
import { statusOf } from '../../core/runs/status.ts';
import type { Run, RunWatcher } from '../../core/runs/types.ts';
import { watchRuns } from '../../core/runs/watch.ts';
import { findTask, TASK_FILE_NAME } from '../../core/task/find.ts';
import { loadTask } from '../../core/task/load.ts';
import { JSON_NUMBERS, toJson } from '../json.ts';
import { choice, text, UsageError, whole } from '../options.ts';
import { shownPath } from '../table.ts';
import type { Terminal } from '../terminal.ts';
import { defineVerb } from '../verb.ts';
import { backendOption, engineOptions, pytorchOptions } from './shared.ts';

/** A run that is silent for long enough has ended: no change of a file tells that. */
const CLOCK_MS = 5000;

export const watch = defineVerb({
  name: 'watch',
  summary: 'keep a run averaged while it trains, and say when it can stop',
  usage: 'RUN [--task twa.json] [--reference CHECKPOINT] [options]',
  description: `Follows the directory of a run. After every few new checkpoints TWA is fitted to the newer half of them, at
low priority and without the GPU that trains; its metric is printed and added to averages/twa-live.jsonl in
the run, from where the editor draws it. No checkpoint is written, and the report split is not looked at: the
numbers are of the stop split, which also chose the epoch of the fit. Ctrl+C ends it; it goes on where it was.

With a reference, the best checkpoint of a run that is finished, each pass is compared with it on the same
examples; when ${PASSES} passes in a row are within noise of it (at least ${FEWEST_EXAMPLES} examples), that is said.

JSON: one document per pass, each a line: {"time", "step", "epoch", "checkpoints", "epochs", "steps", "task",
"seed", "method", "rule", "name", "goal", "metric", "metricInterval", "loss", "lossInterval", "examples",
"coefficients", "newest": {"metric", "loss"}, "reference"}, as in the log.
${JSON_NUMBERS}`,
  paths: { least: 1, most: 1 },
  options: {
    every: whole('K', 1, `a pass after so many new checkpoints (default: ${EVERY})`),
    last: whole(
      'N',
      1,
      `average the newest N checkpoints, at least ${FEWEST} (default: the newer half, of more than ${MOST_OF_HALF}\nevenly as many)`,
    ),
    reference: text('CHECKPOINT', 'the best checkpoint of a finished run, to compare with'),
    'until-finished': { help: 'end when the run has finished or failed, after a last pass' },
    task: text('FILE', 'the task file (default: the nearest twa.json above the run)'),
    rule: choice(RULES, `how coefficients are trained (default: ${DEFAULT_RULE})`),
    seed: whole('N', 0, 'of the splits, the order of examples and the bootstrap (default: 1)'),
    gpu: { help: 'compute on the GPU, which may be what trains (default: the processor alone)' },
    backend: backendOption,
    ...engineOptions,
  },
  async run({ paths, values, json }, terminal) {
    const directory = path.resolve(paths[0]!);
    if (values.launcher !== undefined && values.gpu === undefined) {
      throw new UsageError('--launcher starts a process for each GPU: add --gpu.');
    }
    const task = values.task === undefined ? await taskOf(directory) : path.resolve(values.task);
    const engine = pytorchOptions(values, await loadTask(task));
    const reference =
      values.reference === undefined
        ? undefined
        : (await requireComplete(values.reference, terminal.signal)).path;
    const request = {
      task,
      ...(reference === undefined ? {} : { reference }),
      ...(values.rule === undefined ? {} : { rule: values.rule }),
      seed: values.seed ?? 1,
      backend: values.backend ?? 'auto',
      useGpu: values.gpu === true,
      ...engine,
    } as const;
    const plan: LivePlan = { every: values.every ?? EVERY, window: values.last ?? 0 };
    let said = false;

    await follow(directory, plan, values['until-finished'] === true, terminal, async (run, averaged) => {
      const line = await livePass(run, averaged, request, {
        signal: terminal.signal,
        onProgress: terminal.progress,
        onLog: terminal.log,
      });
      terminal.print(json ? toJson(line) : describeLine(line));
      const verdict = (await readOutcome(run))?.verdict;
      if (verdict !== undefined && !said) terminal.note(describeVerdict(verdict));
      said ||= verdict !== undefined;
    });
  },
});

async function taskOf(directory: string): Promise<string> {
  const found = await findTask(directory);
  if (found !== undefined) return found;
  throw new TwaError(
    'bad-task',
    `There is no ${TASK_FILE_NAME} in ${directory} or above, so nothing can be measured: name one with --task, or make ` +
      'one with "twa init".',
  );
}

type Pass = (run: Run, averaged: Run['checkpoints']) => Promise<void>;

/** Makes the passes as they fall due, one at a time. */
async function follow(
  directory: string,
  plan: LivePlan,
  untilFinished: boolean,
  { signal, note }: Terminal,
  pass: Pass,
): Promise<void> {
  const watcher = watchRuns([directory]);
  let changed = Promise.withResolvers<undefined>();
  const wake = (): void => changed.resolve(undefined);
  watcher.onChange(wake);
  signal.addEventListener('abort', wake);
  const clock = setInterval(wake, CLOCK_MS);
  /** The newest checkpoint of a pass that could not be made: it takes another one for the next try. */
  let inVain: string | undefined;
  try {
    for (;;) {
      throwIfAborted(signal);
      // Before anything is looked at, so that no change is missed.
      changed = Promise.withResolvers();
      const run = onlyRun(watcher, directory);
      const hasEnded = run !== undefined && ['finished', 'failed'].includes(statusOf(run, Date.now()).state);
      const due = run && (await dueNow(run, hasEnded ? { ...plan, every: 1 } : plan));
      if (run !== undefined && due !== undefined && due.at(-1)!.path !== inVain) {
        try {
          await pass(run, due);
        } catch (error) {
          if (signal.aborted || !isRotatedAway(error)) throw error;
          inVain = due.at(-1)!.path;
          note(`twa: No pass: ${(error as Error).message}`);
        }
        continue;
      }
      if (hasEnded && untilFinished) return;
      await changed.promise;
    }
  } finally {
    clearInterval(clock);
    signal.removeEventListener('abort', wake);
    await watcher.close();
  }
}

/** Undefined as long as there is none. */
function onlyRun({ snapshot }: RunWatcher, directory: string): Run | undefined {
  const runs = snapshot.runs.filter(({ checkpoints }) => checkpoints.length > 0);
  if (runs.length > 1) {
    const names = runs.map((run) => shownPath(run.directory)).join(', ');
    throw new UsageError(`${directory} holds ${runs.length} runs: name one of ${names}.`);
  }
  return runs[0];
}
