import { checkpointGeometry, type CheckpointGeometry } from '../../core/checkpoints/geometry.ts';
import { expandPaths, requireComplete } from '../../core/checkpoints/registry.ts';
import type { CheckpointHeader } from '../../core/checkpoints/types.ts';
import { JSON_NUMBERS, toJson } from '../json.ts';
import { figure, shownPath, textTable } from '../table.ts';
import { defineVerb } from '../verb.ts';

export const geometry = defineVerb({
  name: 'geometry',
  summary: 'where checkpoints lie: distances, duplicates, outliers, the path of training',
  usage: 'PATH... [--json]',
  description: `Reads every weight of the checkpoints once and says how far they are from their mean and from each other, in how
many independent directions they differ, which are the same, which are far from all others, and how straight
the path of training is. No task and no data are needed; memory does not grow with the model. Integers and
BatchNorm statistics are left out. PATH is a checkpoint or a directory of checkpoints of one architecture.

JSON: {"checkpoints": [{"path", "step", "epoch"}], "elements", "tensors", "runningStatistics", "gram",
"distances", "cosines", "displacementCosines", "norms", "fromMean", "rank", "duplicates", "outliers":
[{"index", "times"}], "notes", "map": {"points", "explained"}, "path": {"steps", "length",
"displacement", "straightness", "turns"}}. "gram" is that of the differences from the mean.
${JSON_NUMBERS}`,
  paths: { least: 1, most: Infinity },
  options: {},
  async run({ paths, json }, { signal, print, progress }) {
    const headers: CheckpointHeader[] = [];
    for (const path of await expandPaths(paths, signal)) headers.push(await requireComplete(path, signal));
    const found = await checkpointGeometry(headers, {
      signal,
      onProgress: (fraction) =>
        progress({ phase: 'reading', fraction, message: `${headers.length} checkpoints` }),
    });
    print(json ? toJson(document(found)) : describe(found));
  },
});

/** Every field is always there. */
function document(found: CheckpointGeometry): object {
  const checkpoints = found.checkpoints.map(({ path, step, epoch }) => ({ path, step, epoch }));
  return { ...found, checkpoints };
}

function describe(found: CheckpointGeometry): string {
  const { checkpoints, elements, tensors, runningStatistics, notes, map, path } = found;
  const rows = checkpoints.map(({ path: file, step, epoch }, i) => [
    shownPath(file),
    String(step ?? ''),
    String(epoch ?? ''),
    figure(found.norms[i]!),
    figure(found.fromMean[i]!),
    i === 0 ? '' : figure(path.steps[i - 1]!),
    figure(map.points[i]![0]),
    figure(map.points[i]![1]),
  ]);
  const columns = ['step', 'epoch', 'norm', 'from mean', 'from before', 'map x', 'map y'];
  const table = textTable(
    [{ title: 'checkpoint' }, ...columns.map((title) => ({ title, align: 'right' }) as const)],
    rows,
  );
  const left = runningStatistics === 0 ? '' : `; ${runningStatistics} BatchNorm statistics left out`;
  const facts = [`${elements} numbers in ${tensors} tensors${left}.`, ...notes];
  if (checkpoints.length > 1 && path.length > 0) {
    const share = map.explained.reduce((sum, value) => sum + value, 0);
    facts.push(
      `The path is ${figure(path.length)} long and ends ${figure(path.displacement)} from where it began ` +
        `(straightness ${figure(path.straightness)}; 1 is a straight line).`,
      `The map shows ${(100 * share).toFixed(1)} % of the squared distances from the mean.`,
    );
  }
  return `${table}\n\n${facts.join('\n')}`;
}
