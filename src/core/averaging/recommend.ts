/** Which row of the table to use, in one honest sentence. */
import { pairedInterval, resampleMeans } from './bootstrap.ts';
import { bestOf, metricValues, type Metric } from './summary.ts';
import type { Candidate, RowId } from './table.ts';
import type { Interval, Method, Recommendation, TableRow } from './types.ts';

/**
 * By how much was chosen by looking at data: nothing, one of n, some of n one after another, n numbers. The last
 * checkpoint is not among them: it is as simple as the best single one, which is never worse on the stop split.
 */
export const SIMPLEST_FIRST = [
  'uniform',
  'last-k',
  'ema',
  'best',
  'best-k',
  'prune',
  'greedy',
  'manual',
  'search',
  'twa',
] as const satisfies readonly RowId[];

/** The bootstrap of so few numbers (batch means, say) knows nothing: then no difference counts. */
const FEWEST_NUMBERS = 10;

type Difference = { readonly difference: number } & Interval;
type Verdict = 'better' | 'same' | 'worse' | 'unknown';

/**
 * The stop split names a favourite, and the report split, which had no part in any choice, has to confirm it: what is
 * recommended is the simplest candidate that the favourite does not beat beyond noise there, and that itself beats
 * the plain average beyond noise unless it is the plain average. Noise is the 95 % paired bootstrap interval of the
 * metric. `method` is what was asked for: the sentence says how it fared.
 */
export function recommend(
  candidates: readonly Candidate[],
  table: readonly TableRow[],
  metric: Metric,
  seed: number,
  method: Method,
): Recommendation {
  const contenders = SIMPLEST_FIRST.flatMap((id) => candidates.filter((candidate) => candidate.id === id));
  const rowOf = ({ id }: Candidate): TableRow => table.find((row) => row.id === id)!;
  const ofMetric = contenders.map(({ report }) => metricValues(report, metric.name));
  const ofLoss = contenders.map(({ report }) => report.loss);
  const samples = resampleMeans([...ofMetric, ...ofLoss], contenders[0]!.report.weights, seed);
  const compare = (one: Candidate, other: Candidate, what: 'metric' | 'loss' = 'metric'): Difference => {
    const [a, b] = [one, other].map(
      (candidate) => samples[contenders.indexOf(candidate) + (what === 'loss' ? contenders.length : 0)]!,
    );
    return { difference: rowOf(one)[what] - rowOf(other)[what], ...pairedInterval(a!, b!) };
  };
  const judge = (one: Candidate, other: Candidate): Verdict => {
    if (one.report.weights.length < FEWEST_NUMBERS) return 'unknown';
    const [a, b] = [rowOf(one).metric, rowOf(other).metric];
    // A model that gives NaN is worse than any that does not.
    if (Number.isNaN(a) !== Number.isNaN(b)) return Number.isNaN(a) ? 'worse' : 'better';
    return verdict(compare(one, other), metric);
  };

  const onStop = contenders.map(({ stop }) => stop);
  const favourite = contenders[bestOf(onStop, metric)]!;
  const uniform = contenders[0]!;
  const asGoodAsFavourite = (one: Candidate): boolean =>
    one === favourite || judge(favourite, one) !== 'better';
  const worthIt = (one: Candidate): boolean => one === uniform || judge(one, uniform) === 'better';
  // There is one: the favourite if it beats the plain average, else the plain average.
  const used = contenders.find((one) => asGoodAsFavourite(one) && worthIt(one))!;

  const asked = contenders.find(({ id }) => id === method)!;
  // Of the plain average nothing can be said against itself.
  const rival = asked !== uniform ? asked : (contenders.find(({ id }) => id === 'best') ?? uniform);
  const metricOf = (one: Candidate): string => number(rowOf(one).metric);
  const difference = (one: Candidate): string => {
    const examples = one.report.weights.reduce((sum, weight) => sum + weight, 0);
    const of = examples === 1 ? 'one number each' : `${examples} report examples`;
    return `(${describe(compare(one, uniform))}, ${of})`;
  };

  const best = contenders.find(({ id }) => id === 'best');
  const gain = best === undefined ? {} : { gain: gainOver(best) };

  if (used === uniform) {
    const numbers = `${metric.name} ${metricOf(rival)} against ${metricOf(uniform)} ${difference(rival)}`;
    const words = inWords(judge(rival, uniform));
    const loss = lowerLoss(rowOf(rival), rowOf(uniform));
    return {
      use: used.id,
      sentence: `Use the plain average: ${name(rival)} is ${words}, ${numbers}.${loss}`,
      ...gain,
    };
  }
  const against = `${metricOf(used)} against ${metricOf(uniform)} of the plain average ${difference(used)}`;
  const other =
    used === rival ? '' : ` ${beginning(rival)}, with ${metricOf(rival)}, is ${inWords(judge(rival, used))}.`;
  return { use: used.id, sentence: `Use ${name(used)}: ${metric.name} ${against}.${other}`, ...gain };

  /** In one sentence, of the report split. */
  function gainOver(single: Candidate): string {
    const over = `over the ${name(single)}`;
    if (used === single) return `Averaging gained nothing ${over}.`;
    const numbers =
      `${metric.name} ${metricOf(used)} instead of ${metricOf(single)} ` +
      `(${describe(compare(used, single))})`;
    switch (judge(used, single)) {
      case 'better':
        return `Gained ${over}: ${numbers}.`;
      case 'worse':
        return `Lost against the ${name(single)}, which was not as good on the stop split: ${numbers}.`;
      case 'unknown':
        return `Too few numbers to say what was gained ${over}: ${numbers}.`;
      case 'same': {
        const loss = compare(used, single, 'loss');
        const losses = `loss ${number(rowOf(used).loss)} instead of ${number(rowOf(single).loss)}`;
        return metric.name !== 'loss' && loss.high < 0
          ? `Gained ${over} in loss alone: ${losses} (${describe(loss)}); ${numbers} is within noise.`
          : `Nothing was gained beyond noise ${over}: ${numbers}.`;
      }
    }
  }
}

function verdict(versus: Difference, metric: Metric): Verdict {
  const [low, high] = metric.goal === 'maximize' ? [versus.low, versus.high] : [-versus.high, -versus.low];
  if (Number.isNaN(low)) return 'unknown';
  if (low > 0) return 'better';
  return high < 0 ? 'worse' : 'same';
}

function inWords(rival: Verdict): string {
  switch (rival) {
    case 'better':
      return 'better on the report split but was not on the stop split, which chooses';
    case 'same':
      return 'within noise of it';
    case 'worse':
      return 'worse';
    case 'unknown':
      return 'not to be told from it by so few numbers';
  }
}

/** Said where it may matter to somebody; the metric decides. */
function lowerLoss(rival: TableRow, uniform: TableRow): string {
  const versus = rival.lossVersusUniform;
  return versus !== undefined && versus.high < 0
    ? ` Its loss is lower beyond noise: ${number(rival.loss)} against ${number(uniform.loss)}.`
    : '';
}

/** At the beginning of a sentence. */
function beginning(candidate: Candidate): string {
  return candidate.id === 'twa' ? 'TWA' : candidate.label;
}

/** In the middle of a sentence: "TWA", "best single (epoch-7)". */
function name(candidate: Candidate): string {
  return candidate.id === 'twa' ? 'TWA' : candidate.label.charAt(0).toLowerCase() + candidate.label.slice(1);
}

function describe({ difference, low, high }: Difference): string {
  const signed = (value: number): string => `${value < 0 ? '-' : '+'}${number(Math.abs(value), 2)}`;
  const interval = Number.isNaN(low) ? 'unknown' : `${signed(low)} to ${signed(high)}`;
  return `difference ${signed(difference)}, 95 % interval ${interval}`;
}

function number(value: number, digits = 4): string {
  return String(Number(value.toPrecision(digits)));
}
