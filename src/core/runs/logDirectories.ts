/** Where programs put event files: names of directories that say to which run a log belongs. */
import { basename, dirname } from 'node:path';
import { groupBy } from './group.ts';

const SPLITS = new Set('train training validation valid val eval evaluation test dev'.split(' '));

/** `run/train`, `run/validation`: Keras' callback keeps the curves of either in a directory of its own. */
export function splitOf(directory: string): string | undefined {
  const name = basename(directory);
  return SPLITS.has(name.toLowerCase()) ? name : undefined;
}

/** As `torch.utils.tensorboard` and the Trainer name it: `Nov24_01-16-05_host`. */
const DATED = /^[A-Z][a-z]{2}\d{2}_\d{2}-\d{2}-\d{2}_/;
/** As Weights & Biases names it: `offline-run-20261124_011605-a1b2c3d4`. */
const WANDB_RUN = /^(?:offline-)?run-\d{8}_\d{6}-/;

/** `output/runs/Nov24_01-16-05_host` and `output/wandb/run-...` give `output`: there the checkpoints are. */
export function datedRun(directory: string): string | undefined {
  const parent = dirname(directory);
  const isDated =
    (DATED.test(basename(directory)) && basename(parent) === 'runs') ||
    (WANDB_RUN.test(basename(directory)) && basename(parent) === 'wandb');
  return isDated ? dirname(parent) : undefined;
}

const CHECKPOINT_PARENTS = new Set('checkpoint checkpoints ckpt ckpts weights snapshots models'.split(' '));
const LOG_PARENTS = new Set(
  'runs log logs csv_logs metrics tensorboard tensorboard_logs tb tb_logs summaries'.split(' '),
);

/**
 * Directories of one name in two places, `checkpoints/a` with only checkpoints and `logs/a` with only logs, are one
 * run.
 * @returns for the directories with logs, those with checkpoints.
 */
export function twins(
  withCheckpoints: ReadonlySet<string>,
  withLogs: ReadonlySet<string>,
): Map<string, string> {
  const key = (directory: string): string => `${dirname(dirname(directory))}\0${basename(directory)}`;
  const isIn = (parents: ReadonlySet<string>) => (directory: string) =>
    parents.has(basename(dirname(directory)).toLowerCase());
  const sources = groupBy(
    [...withCheckpoints].filter((one) => !withLogs.has(one)).filter(isIn(CHECKPOINT_PARENTS)),
    key,
  );
  const logs = groupBy(
    [...withLogs].filter((one) => !withCheckpoints.has(one)).filter(isIn(LOG_PARENTS)),
    key,
  );
  return new Map(
    [...logs].flatMap(([name, [log, ...otherLogs]]) => {
      const [checkpoints, ...others] = sources.get(name) ?? [];
      return log !== undefined && checkpoints !== undefined && otherLogs.length + others.length === 0
        ? [[log, checkpoints] as const]
        : [];
    }),
  );
}
