/** What every result is compared with: every checkpoint and the cheap averages, on the stop split. */
import { EMA_DECAY, emaCoefficients, LAST_K, meanOf, newest } from './coefficients.ts';
import { judgeMix, type Judge, type JudgedMix } from './judge.ts';
import { greedySoup, ranking, type Tell } from './select.ts';
import { score } from './summary.ts';
import { throwIfAborted } from '../errors.ts';
import type { Plan } from './table.ts';
import type { SplitEvaluation } from './types.ts';

export interface Baselines {
  /** Per checkpoint, on the stop split. */
  readonly singles: readonly SplitEvaluation[];
  /** Indices, the best first. */
  readonly ranked: readonly number[];
  readonly uniform: JudgedMix;
  /** One for each row of the table. */
  readonly plans: readonly Plan[];
  readonly notes: readonly string[];
}

/** A greedy soup looks at n mixes: with more checkpoints than this only where it is asked for. */
const MOST_FOR_SOUP = 30;

export async function judgeBaselines(
  judge: Judge,
  names: readonly string[],
  soupWanted: boolean,
): Promise<Baselines> {
  const { objective, buffers, hooks } = judge;
  const { metric } = objective;
  const n = names.length;
  const soup = soupWanted || (n > 1 && n <= MOST_FOR_SOUP);
  const k = n > LAST_K ? LAST_K : Math.ceil(n / 2);
  const formulas = n > 2 ? 3 : 1;
  const total = n + formulas + (soup ? n - 1 : 0);
  let done = 0;
  const tell = (label: string, evaluation: SplitEvaluation): void =>
    hooks.onProgress?.({
      phase: 'baselines',
      fraction: ++done / total,
      message: `${label}: ${metric.name} ${score(evaluation, metric.name).metric.toPrecision(4)}`,
    });

  const singles: SplitEvaluation[] = [];
  for (let index = 0; index < n; index++) {
    throwIfAborted(hooks.signal);
    singles.push(await objective.evaluate({ kind: 'checkpoint', index }, 'stop', buffers, hooks.signal));
    tell(`checkpoint ${index + 1} of ${n}`, singles[index]!);
  }
  const uniform = await judgeMix(judge, meanOf(n, newest(n, n)));
  tell('plain average', uniform.stop);
  const ranked = ranking(judge, singles);

  const best = ranked[0]!;
  const plans: Plan[] = [
    { id: 'best', label: `Best single (${names[best]!})`, stop: singles[best]! },
    { id: 'last', label: `Last (${names[n - 1]!})`, stop: singles[n - 1]! },
    { id: 'uniform', label: `Plain average of ${n}`, ...uniform },
  ];
  if (n > 2) {
    const lastK = await judgeMix(judge, meanOf(n, newest(n, k)));
    tell(`newest ${k}`, lastK.stop);
    const ema = await judgeMix(judge, Float64Array.from(emaCoefficients(n, EMA_DECAY)));
    tell('moving average', ema.stop);
    plans.push({ id: 'last-k', label: labelOfLastK(k), ...lastK });
    plans.push({ id: 'ema', label: labelOfEma(EMA_DECAY), ...ema });
  }
  if (soup) {
    const onStep: Tell = (_fraction, what, evaluation) => tell(what, evaluation);
    const { mix, kept } = await greedySoup(judge, ranked, onStep);
    plans.push({ id: 'greedy', label: `Greedy soup of ${kept.length}`, ...mix });
  }

  const scores = singles.map((single) => score(single, metric.name));
  // A command prints the metric alone.
  const of = scores.some(({ loss }) => Number.isFinite(loss)) ? 'loss' : 'metric';
  const broken = names.filter((_, index) => !Number.isFinite(scores[index]![of]));
  const what = of === 'loss' ? 'loss' : metric.name;
  const notes = [
    ...(broken.length === 0 ? [] : [`The ${what} is not a finite number for: ${broken.join(', ')}.`]),
    ...(soup || n === 1
      ? []
      : [`No greedy soup was tried: with ${n} checkpoints it would take as many evaluations.`]),
  ];
  return { singles, ranked, uniform, plans, notes };
}

export function labelOfLastK(k: number): string {
  return `Average of the newest ${k} (LAWA)`;
}

export function labelOfEma(decay: number): string {
  return `Moving average (EMA, decay ${decay})`;
}
