/** Methods that choose which checkpoints to take and average those plainly. */
import { meanOf } from './coefficients.ts';
import { judgeMix, look, type Judge, type JudgedMix } from './judge.ts';
import { bestOf, isBetter, isWorse, score } from './summary.ts';
import type { SplitEvaluation } from './types.ts';

export interface Selected {
  readonly mix: JudgedMix;
  /** Indices, ascending. */
  readonly kept: readonly number[];
  readonly notes: readonly string[];
}

/** Said while it goes on: how far it is, 0..1, and what was just looked at. */
export type Tell = (fraction: number, what: string, evaluation: SplitEvaluation) => void;

/** Indices of the checkpoints, the best on the stop split first. */
export function ranking(judge: Judge, singles: readonly SplitEvaluation[]): number[] {
  const { name, goal } = judge.objective.metric;
  const scores = singles.map((single) => score(single, name));
  return [...singles.keys()].sort((a, b) => {
    if (isBetter(scores[a]!, scores[b]!, goal)) return -1;
    return isBetter(scores[b]!, scores[a]!, goal) ? 1 : b - a;
  });
}

/** The plain average of the `k` best; without a `k`, of the best 2, 4, 8, ... the most that is best on the stop split. */
export async function bestK(
  judge: Judge,
  ranked: readonly number[],
  k: number | undefined,
  tell: Tell,
): Promise<Selected & { readonly k: number }> {
  const n = ranked.length;
  const counts = k === undefined ? doubling(n) : [k];
  const mixes: JudgedMix[] = [];
  for (const [done, count] of counts.entries()) {
    const mix = await judgeMix(judge, meanOf(n, ranked.slice(0, count)));
    mixes.push(mix);
    tell((done + 1) / counts.length, `the best ${count}`, mix.stop);
  }
  const chosen = bestOf(
    mixes.map((mix) => mix.stop),
    judge.objective.metric,
  );
  const count = counts[chosen]!;
  return { mix: mixes[chosen]!, kept: ascending(ranked.slice(0, count)), k: count, notes: [] };
}

/** 2, 4, 8, ... n */
function doubling(n: number): number[] {
  const counts: number[] = [];
  for (let count = 2; count < n; count *= 2) counts.push(count);
  return [...counts, n];
}

/**
 * Greedy soup (Wortsman et al., "Model soups", ICML 2022, recipe 1): from the best checkpoint on, each next one stays
 * in the average if that is then no worse. Equal metrics are told apart by the loss.
 */
export async function greedySoup(judge: Judge, ranked: readonly number[], tell: Tell): Promise<Selected> {
  const { name, goal } = judge.objective.metric;
  const n = ranked.length;
  let kept = [ranked[0]!];
  let current = await look(judge, meanOf(n, kept), judge.selection);
  for (const [done, candidate] of ranked.slice(1).entries()) {
    const tried = await look(judge, meanOf(n, [...kept, candidate]), judge.selection);
    if (!isBetter(score(current, name), score(tried, name), goal)) {
      kept = [...kept, candidate];
      current = tried;
    }
    tell((done + 1) / (n - 1), `greedy soup of ${kept.length}`, current);
  }
  return { mix: await judgeMix(judge, meanOf(n, kept), current), kept: ascending(kept), notes: [] };
}

/**
 * Leave-one-out pruning: the average is looked at without each of its checkpoints in turn; then, from the one that it
 * does best without, each is left out for good if the average of the others is not worse than the best so far by more
 * than one standard error. What remains is a few checkpoints that are enough.
 */
export async function prune(
  judge: Judge,
  n: number,
  names: readonly string[],
  tell: Tell,
): Promise<Selected> {
  const { metric } = judge.objective;
  const everything = [...Array(n).keys()];
  const all = await look(judge, meanOf(n, everything), judge.selection);
  const without: SplitEvaluation[] = [];
  if (n > 1) {
    for (const index of everything) {
      const others = everything.filter((other) => other !== index);
      without.push(await look(judge, meanOf(n, others), judge.selection));
      tell((index + 1) / (2 * n), `without ${names[index]!}`, without[index]!);
    }
  }
  const scores = without.map((evaluation) => score(evaluation, metric.name));
  const order = [...without.keys()].sort((a, b) => {
    if (isBetter(scores[a]!, scores[b]!, metric.goal)) return -1;
    return isBetter(scores[b]!, scores[a]!, metric.goal) ? 1 : a - b;
  });

  let kept = everything;
  let current = all;
  let best = all;
  for (const [done, index] of order.entries()) {
    if (kept.length === 1) break;
    const others = kept.filter((other) => other !== index);
    const tried = await look(judge, meanOf(n, others), judge.selection);
    if (!isWorse(tried, best, metric)) {
      kept = others;
      current = tried;
      if (isBetter(score(tried, metric.name), score(best, metric.name), metric.goal)) best = tried;
    }
    tell((n + done + 1) / (2 * n), `${kept.length} checkpoints`, current);
  }
  const mix = await judgeMix(judge, meanOf(n, kept), current);
  const notes = [enough(kept, names, current, all, judge)];
  const harmful = order[0];
  if (harmful !== undefined && isWorse(all, without[harmful]!, metric)) {
    notes.push(`The plain average gains most without ${names[harmful]!}.`);
  }
  return { mix, kept, notes };
}

/** "These 4 of 20 checkpoints are enough: ..." */
export function enough(
  kept: readonly number[],
  names: readonly string[],
  few: SplitEvaluation,
  all: SplitEvaluation,
  { objective, selection }: Judge,
): string {
  const { name } = objective.metric;
  if (kept.length === names.length) return `All ${names.length} checkpoints are needed.`;
  const number = (evaluation: SplitEvaluation) => score(evaluation, name).metric.toPrecision(4);
  const listed = kept.map((index) => names[index]!).join(', ');
  return (
    `These ${kept.length} of ${names.length} checkpoints are enough: ${listed} (${name} ${number(few)} on the ` +
    `${selection} split, ${number(all)} with all).`
  );
}

function ascending(indices: readonly number[]): number[] {
  return indices.toSorted((a, b) => a - b);
}
