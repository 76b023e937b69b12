/** The final table: a few candidates side by side on the report split. */
import { pairedInterval, percentileInterval, resampleMeans } from './bootstrap.ts';
import { metricValues, score, type Metric } from './summary.ts';
import type { Interval, Method, SplitEvaluation, TableRow } from './types.ts';

/** Single checkpoints and methods. */
export type RowId = 'best' | 'last' | Method;

/** A row of the table before the report split is looked at. */
export interface Plan {
  readonly id: RowId;
  readonly label: string;
  /** Of a mix. */
  readonly coefficients?: Float64Array;
  readonly stop: SplitEvaluation;
}

/** A model that can be recommended. */
export interface Candidate extends Plan {
  readonly report: SplitEvaluation;
}

/** One row per candidate, in their order. All intervals come from the same resamples of the report split. */
export function buildTable(candidates: readonly Candidate[], metric: Metric, seed: number): TableRow[] {
  const columns = candidates.flatMap(({ report }) => [metricValues(report, metric.name), report.loss]);
  const samples = resampleMeans(columns, candidates[0]!.report.weights, seed);
  const uniform = candidates.findIndex(({ id }) => id === 'uniform');

  return candidates.map((candidate, row) => {
    const onReport = score(candidate.report, metric.name);
    const onStop = score(candidate.stop, metric.name);
    const ofUniform = score(candidates[uniform]!.report, metric.name);
    const versusUniform = (column: 0 | 1): Interval =>
      pairedInterval(samples[2 * row + column]!, samples[2 * uniform + column]!);
    return {
      id: candidate.id,
      label: candidate.label,
      ...(candidate.coefficients === undefined ? {} : { coefficients: [...candidate.coefficients] }),
      metric: onReport.metric,
      metricInterval: percentileInterval(samples[2 * row]!),
      loss: onReport.loss,
      lossInterval: percentileInterval(samples[2 * row + 1]!),
      ...(row === uniform
        ? {}
        : {
            metricVersusUniform: {
              difference: onReport.metric - ofUniform.metric,
              ...versusUniform(0),
            },
            lossVersusUniform: { difference: onReport.loss - ofUniform.loss, ...versusUniform(1) },
          }),
      stopMetric: onStop.metric,
      stopLoss: onStop.loss,
    };
  });
}
