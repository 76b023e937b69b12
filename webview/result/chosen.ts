import type { LossPoint, TableRow } from '../../src/core/averaging/types.ts';

/**
 * The end of epoch that the trained coefficients come from (epoch 0: they stayed at their start). It is the point whose
 * numbers on the stop split are the ones in the table: both come from the same evaluation.
 */
export function chosenPoint(curve: readonly LossPoint[], row: TableRow | undefined): LossPoint | undefined {
  if (row === undefined) return undefined;
  return curve.find(
    ({ stopLoss, stopMetric }) =>
      stopLoss === row.stopLoss && (stopMetric ?? row.stopMetric) === row.stopMetric,
  );
}
