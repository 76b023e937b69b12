/** What a geometry says, in sentences; the exported report has them, too. */
import type { AverageReport, ResultGeometry } from '../../src/core/averaging/types.ts';
import { fill } from '../shared/fill.ts';
import { formatNumber } from '../shared/numbers.ts';
import type { ResultStrings } from '../strings.ts';

export function geometryWords(geometry: ResultGeometry, strings: ResultStrings): readonly string[] {
  const { names, duplicates, outliers, path, rank } = geometry;
  return [
    ...(outliers.length === 0
      ? []
      : [
          fill(
            strings.outliersWords,
            outliers
              .map(({ index, times }) => fill(strings.outlierTimes, names[index]!, formatNumber(times, 2)))
              .join(', '),
          ),
        ]),
    ...(duplicates.length === 0
      ? []
      : [
          fill(strings.duplicatesWords, duplicates.map(([a, b]) => `${names[a]!} = ${names[b]!}`).join(', ')),
        ]),
    fill(
      strings.pathWords,
      formatNumber(path.length),
      formatNumber(path.displacement),
      formatNumber(path.straightness, 2),
      rank,
      names.length - 1,
    ),
  ];
}

/** What names a checkpoint in a few letters: its epoch, else its step, else its place. */
export function placeLabels({ provenance }: AverageReport): readonly string[] {
  const { sources } = provenance;
  const byEpoch = sources.every(({ epoch }) => epoch !== undefined);
  const byStep = sources.every(({ step }) => step !== undefined);
  return sources.map(({ epoch, step }, index) =>
    String((byEpoch ? epoch : byStep ? step : undefined) ?? index + 1),
  );
}
