/** Which row of the table to use, in one honest sentence. */
import { bootstrapDifference } from './bootstrap.ts';
import { isBetter, metricValues, score } from './summary.ts';
import type { Candidate, Metric, RowId } from './table.ts';
import type { Interval, Recommendation, TableRow } from './types.ts';

/**
 * By how much was chosen by looking at data: nothing, one of n, n numbers. The last checkpoint is not among them: on
 * the stop split the best single one is never worse, and it is as simple.
 */
const SIMPLEST_FIRST: readonly RowId[] = ['uniform', 'best', 'manual', 'twa'];

/** The bootstrap of so few numbers (batch means, say) knows nothing: then no difference counts. */
const FEWEST_EXAMPLES = 10;

/**
 * The simplest candidate that is within noise of the best on the stop split, where noise is the 95 % paired
 * bootstrap interval of the metric. Anything but the plain average must also beat it beyond noise on the report
 * split, which had no part in any choice: otherwise the plain average is recommended.
 */
export function recommend(
  candidates: readonly Candidate[],
  table: readonly TableRow[],
  metric: Metric,
  seed: number,
): Recommendation {
  const onStop = simplestWithinNoise(candidates, metric, seed);
  const row = (id: RowId): TableRow | undefined => table.find((one) => one.id === id);
  const examples = candidates[0]!.report.weights.reduce((sum, weight) => sum + weight, 0);
  const enough = candidates[0]!.report.weights.length >= FEWEST_EXAMPLES;

  const chosen = row(onStop)!;
  const uniform = row('uniform')!;
  const versus = chosen.metricVersusUniform;
  const confirmed = versus !== undefined && enough && sign(versus, metric) === 'better';
  if (confirmed) {
    const twa = row('twa');
    const simpler =
      twa === undefined || onStop === 'twa'
        ? ''
        : ` TWA's ${number(twa.metric)} is not better than that beyond noise.`;
    return {
      use: onStop,
      sentence:
        `Use ${named(chosen)}: ${metric.name} ${number(chosen.metric)} against ${number(uniform.metric)} of the ` +
        `plain average (${difference(versus)}, ${examples} report examples).${simpler}`,
    };
  }

  const rival = row('twa') ?? row('manual') ?? row('best')!;
  return { use: 'uniform', sentence: againstRival(rival, uniform, onStop, metric, examples, enough) };
}

function simplestWithinNoise(candidates: readonly Candidate[], metric: Metric, seed: number): RowId {
  const best = candidates.reduce((a, b) =>
    isBetter(score(b.stop, metric.name), score(a.stop, metric.name), metric.goal) ? b : a,
  );
  const { weights } = best.stop;
  const isClose = (candidate: Candidate): boolean => {
    if (candidate === best || weights.length < FEWEST_EXAMPLES) return true;
    const values = metricValues(candidate.stop, metric.name);
    if (!values.every(Number.isFinite)) return false;
    return (
      sign(bootstrapDifference(values, metricValues(best.stop, metric.name), weights, seed), metric) !==
      'worse'
    );
  };
  return SIMPLEST_FIRST.find((id) =>
    candidates.some((candidate) => candidate.id === id && isClose(candidate)),
  )!;
}

function againstRival(
  rival: TableRow,
  uniform: TableRow,
  onStop: RowId,
  metric: Metric,
  examples: number,
  enough: boolean,
): string {
  const versus = rival.metricVersusUniform!;
  const numbers = `${metric.name} ${number(rival.metric)} against ${number(uniform.metric)} (${difference(versus)}, ${examples} report examples)`;
  const use = `Use the plain average: ${named(rival)}`;
  if (!enough) return `${use} has ${numbers}, and that is too few numbers to tell noise from a difference.`;
  switch (sign(versus, metric)) {
    case 'worse':
      return `${use} is worse, ${numbers}.`;
    case 'better':
      return `${use} is better on the report split, ${numbers}, but not beyond noise on the stop split that decides.`;
    case 'same': {
      const stop = onStop === rival.id ? ', though it was better on the stop split' : '';
      const loss = rival.lossVersusUniform!;
      const lower =
        loss.high < 0
          ? ` Its loss is lower beyond noise: ${number(rival.loss)} against ${number(uniform.loss)}.`
          : '';
      return `${use} is within noise of it, ${numbers}${stop}.${lower}`;
    }
  }
}

function sign(
  versus: { readonly difference: number } & Interval,
  metric: Metric,
): 'better' | 'same' | 'worse' {
  const [low, high] = metric.goal === 'maximize' ? [versus.low, versus.high] : [-versus.high, -versus.low];
  if (low > 0) return 'better';
  return high < 0 ? 'worse' : 'same';
}

/** The row in the middle of a sentence. */
function named(row: TableRow): string {
  return row.id === 'twa' ? 'TWA' : row.label.charAt(0).toLowerCase() + row.label.slice(1);
}

function difference(versus: { readonly difference: number } & Interval): string {
  const signed = (value: number): string => `${value < 0 ? '-' : '+'}${number(Math.abs(value), 2)}`;
  return `difference ${signed(versus.difference)}, 95 % interval ${signed(versus.low)} to ${signed(versus.high)}`;
}

function number(value: number, digits = 4): string {
  return String(Number(value.toPrecision(digits)));
}
