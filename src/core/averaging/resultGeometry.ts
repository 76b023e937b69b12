/** Where the checkpoints of a result lie, and its averages among them: from the Gram matrix that its report keeps. */
import { basename, extname } from 'node:path';
import { geometryOf, type Geometry, type GeometryMap } from './geometry.ts';
import type { AverageReport, CentredGram, MixPoint, ResultGeometry, StoredGram, TableRow } from './types.ts';

/** Undefined where the report keeps no Gram matrix, or one of another number of checkpoints. */
export function resultGeometry(report: AverageReport): ResultGeometry | undefined {
  const { gram: stored, provenance } = report;
  const n = provenance.sources.length;
  if (stored === undefined || n < 2 || stored.centred.length !== n) return undefined;
  return geometryFrom(restoreGram(stored), report);
}

/** @throws TwaError `non-finite`. */
export function geometryFrom(gram: CentredGram, report: AverageReport): ResultGeometry {
  const names = provenanceNames(report);
  const { map, path, fromMean, distances, displacementCosines, rank, duplicates, outliers } = geometryOf(
    gram,
    names,
  );
  const { length, displacement, straightness } = path;
  return {
    names,
    points: map.points,
    explained: map.explained,
    mixes: mixesIn(report).map((row) => placeOf(row, gram, map)),
    fromMean,
    distances,
    cosines: displacementCosines,
    rank,
    duplicates,
    outliers,
    path: { length, displacement, straightness },
  };
}

/** Only shares of whole checkpoints have a place: where blocks have their own, the mean of them is another model. */
function mixesIn({
  table,
  provenance,
  method,
  coefficients,
}: AverageReport): readonly Pick<TableRow, 'id' | 'label' | 'coefficients'>[] {
  // Without a task there is no table, but the average itself has its place all the same.
  const rows = table.length > 0 ? table : [{ id: method, label: method, coefficients }];
  return rows.filter(
    ({ id, coefficients: own }) =>
      own?.length === provenance.sources.length && (id !== method || provenance.blocks === undefined),
  );
}

/** A square that is a sum of products of this size is good to so much of it. */
const ROUNDING = 1e-12;

/**
 * w = sum_i a_i w_i is m + sum_i a_i r_i + s m with s = sum_i a_i - 1. On an axis u = sum_i (x_i / l) r_i, with x the
 * checkpoints' coordinates and l = sum_i x_i^2, that is sum_i a_i x_i + s sum_i x_i <r_i, m> / l.
 */
function placeOf(
  { id, label, coefficients = [] }: Pick<TableRow, 'id' | 'label' | 'coefficients'>,
  { n, centred, withMean, meanSquared }: CentredGram,
  { points }: GeometryMap,
): MixPoint {
  const surplus = coefficients.reduce((sum, value) => sum + value, 0) - 1;
  const along = (axis: 0 | 1): number => {
    let inside = 0;
    let length = 0;
    let ofMean = 0;
    for (let i = 0; i < n; i++) {
      const at = points[i]![axis];
      inside += coefficients[i]! * at;
      length += at ** 2;
      ofMean += at * withMean[i]!;
    }
    return inside + (length === 0 ? 0 : (surplus * ofMean) / length);
  };
  let squared = surplus ** 2 * meanSquared;
  for (let i = 0; i < n; i++) {
    squared += 2 * surplus * coefficients[i]! * withMean[i]!;
    for (let j = 0; j < n; j++) squared += coefficients[i]! * coefficients[j]! * centred[i * n + j]!;
  }
  // The plain average is the mean, but for rounding.
  let scale = surplus ** 2 * meanSquared;
  for (let i = 0; i < n; i++) scale = Math.max(scale, centred[i * n + i]!);
  if (squared <= ROUNDING * scale) return { id, label, x: 0, y: 0, beside: 0, fromMean: 0 };
  const [x, y] = [along(0), along(1)];
  return {
    id,
    label,
    x,
    y,
    beside: Math.sqrt(Math.max(0, squared - x ** 2 - y ** 2)),
    fromMean: Math.sqrt(Math.max(0, squared)),
  };
}

export function restoreGram({ centred, withMean, meanSquared }: StoredGram): CentredGram {
  const n = withMean.length;
  const full = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) full[i * n + j] = full[j * n + i] = centred[i]![j]!;
  }
  return { n, centred: full, withMean: Float64Array.from(withMean), meanSquared };
}

function provenanceNames({ provenance }: AverageReport): string[] {
  return provenance.sources.map(({ path }) => basename(path, extname(path)));
}

/** What a geometry was made of: |w_i|^2 = |m|^2 + 2 <r_i, m> + |r_i|^2, and the r_i sum to nothing. */
export function gramOf({ gram, norms }: Pick<Geometry, 'gram' | 'norms'>): CentredGram {
  const n = norms.length;
  const rest = norms.map((norm, i) => norm ** 2 - gram[i]![i]!);
  const meanSquared = rest.reduce((sum, value) => sum + value, 0) / n;
  return {
    n,
    centred: Float64Array.from(gram.flat()),
    withMean: Float64Array.from(rest, (value) => (value - meanSquared) / 2),
    meanSquared,
  };
}
