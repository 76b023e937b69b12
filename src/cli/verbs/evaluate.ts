import { runJob } from '../../compute/client.ts';
import type { EvaluateResult } from '../../compute/protocol.ts';
import { loadTask } from '../../core/task/load.ts';
import { choice, text, whole } from '../options.ts';
import { JSON_NUMBERS, toJson } from '../json.ts';
import { figure, interval, LOSS_COLUMNS, measuresLoss, shownPath, textTable } from '../table.ts';
import { defineVerb } from '../verb.ts';
import { backendOption, engineOptions, pytorchOptions, readHeaders, requireTask } from './shared.ts';

export const evaluate = defineVerb({
  name: 'evaluate',
  summary: 'the loss and metric of checkpoints, by a task file',
  usage: 'PATH... [--task twa.json] [options]',
  description: `Evaluates each checkpoint, as it is, on one split, with 95 % bootstrap intervals. The splits are those of
"average" with the same --seed.

JSON: {"split", "examples", "metric": {"name", "goal"}, "backend", "rows": [{"path", "step", "epoch",
"metric", "metricInterval": {"low", "high"}, "loss", "lossInterval"}]}.
${JSON_NUMBERS}`,
  paths: { least: 1, most: Infinity },
  options: {
    task: text('FILE', 'the task file (default: the nearest twa.json above the first checkpoint)'),
    split: choice(['report', 'stop', 'fit'], 'which examples (default: report)'),
    seed: whole('N', 0, 'of the splits and the bootstrap (default: 1)'),
    backend: backendOption,
    ...engineOptions,
  },
  async run({ paths, values, json }, terminal) {
    const headers = await readHeaders(paths, terminal);
    const task = await requireTask(values.task, headers);
    const engine = pytorchOptions(values, await loadTask(task));
    const result = await runJob(
      'evaluate',
      {
        checkpoints: headers.map((header) => header.path),
        task,
        split: values.split ?? 'report',
        backend: values.backend ?? 'auto',
        ...engine,
        seed: values.seed ?? 1,
      },
      { signal: terminal.signal, onProgress: terminal.progress, onLog: terminal.log },
    );
    terminal.print(json ? toJson(toDocument(result)) : describe(result));
  },
});

/** Every row has a step and an epoch, null where they are not known. */
function toDocument(result: EvaluateResult): object {
  return { ...result, rows: result.rows.map((row) => ({ ...row, step: row.step, epoch: row.epoch })) };
}

function describe({ split, examples, metric, backend, rows }: EvaluateResult): string {
  const loss = measuresLoss(rows);
  const table = textTable(
    [
      { title: 'checkpoint' },
      { title: 'step', align: 'right' },
      { title: 'epoch', align: 'right' },
      { title: metric.name, align: 'right' },
      { title: '95 %' },
      ...(loss ? LOSS_COLUMNS : []),
    ],
    rows.map((row) => [
      shownPath(row.path),
      String(row.step ?? ''),
      String(row.epoch ?? ''),
      figure(row.metric),
      interval(row.metricInterval),
      ...(loss ? [figure(row.loss), interval(row.lossInterval)] : []),
    ]),
  );
  const by = examples === 1 ? 'One number each' : `${examples} examples`;
  return `${table}\n\n${by} of the ${split} split, on ${backend}.`;
}
