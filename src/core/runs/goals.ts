/** Which way a metric is better, and which one says most about a run. No Node modules here: views use it too. */
import type { CheckpointEntry, Goal, Run } from './types.ts';

const words = (list: string): ReadonlySet<string> => new Set(list.split(' '));

const LOSSES = words(
  'loss error err perplexity ppl mse mae rmse mape nll ce bce xent wer cer fid kid ece brier kl kld elbo bpb bpc bpd ' +
    'cost distance chamfer hausdorff lpips eer',
);
const SCORES = words(
  'acc accuracy top1 top5 f1 fbeta auc auroc auprc roc ap map map50 map75 iou miou jaccard dice bleu rouge rouge1 rouge2 ' +
    'rougel chrf meteor cider precision recall specificity sensitivity r2 psnr ssim reward return returns score ndcg ' +
    'mrr hits kappa mcc spearman pearson correlation em match exact win winrate success elo success_rate',
);
const VALIDATION = words('val valid validation eval evaluation dev test holdout');
const ACCURACY = words('acc accuracy top1');

/** `val_mAP50` -> val, map50. Capitals split words (`valLoss`) but not abbreviations (`mAP`, `BLEU`). */
function wordsOf(tag: string): string[] {
  return tag
    .replace(/([a-z])([A-Z][a-z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z0-9]+/)
    .filter((word) => word !== '');
}

const hasAny = (tag: string, list: ReadonlySet<string>): boolean =>
  wordsOf(tag).some((word) => list.has(word));

/** Whether a name says loss or score: `val_loss`, `top1`, not `lr`. */
export function namesMetric(tag: string): boolean {
  return hasAny(tag, LOSSES) || hasAny(tag, SCORES);
}

/** By the words of its name; where they say both (`top1_error`) or nothing, less is better. */
export function metricGoal(tag: string): Goal {
  return !hasAny(tag, LOSSES) && hasAny(tag, SCORES) ? 'maximize' : 'minimize';
}

/**
 * The metric to show beside a run's checkpoints and to choose by: accuracy before other scores before loss, on
 * validation data before any other. Undefined when no series of the run has such a name.
 */
export function defaultMetric(run: Run): { tag: string; goal: Goal } | undefined {
  let best: { tag: string; rank: number } | undefined;
  for (const tag of tagsOf(run)) {
    const isLoss = hasAny(tag, LOSSES);
    if (!namesMetric(tag)) continue;
    const kind = isLoss ? 2 : hasAny(tag, ACCURACY) ? 0 : 1;
    const rank = (hasAny(tag, VALIDATION) ? 0 : 3) + kind;
    if (best === undefined || rank < best.rank) best = { tag, rank };
  }
  return best === undefined ? undefined : { tag: best.tag, goal: metricGoal(best.tag) };
}

/** What checkpoints have comes before what only the log has. */
function tagsOf(run: Run): Set<string> {
  const tags = new Set<string>();
  for (const checkpoint of run.checkpoints) {
    for (const tag of Object.keys(checkpoint.metrics)) tags.add(tag);
  }
  for (const series of run.series) tags.add(series.tag);
  return tags;
}

/** The complete checkpoint with the best finite value of a metric; the earliest of equals. Averages do not take part. */
export function bestCheckpoint(run: Run, tag: string, goal: Goal): CheckpointEntry | undefined {
  const sign = goal === 'maximize' ? 1 : -1;
  let best: CheckpointEntry | undefined;
  for (const checkpoint of run.checkpoints) {
    const value = checkpoint.metrics[tag];
    if (checkpoint.state !== 'complete' || value === undefined || !Number.isFinite(value)) continue;
    if (best === undefined || sign * value > sign * best.metrics[tag]!) best = checkpoint;
  }
  return best;
}
