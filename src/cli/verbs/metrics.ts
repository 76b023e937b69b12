import { readSeries } from '../../core/metrics/registry.ts';
import type { Series } from '../../core/metrics/types.ts';
import { JSON_NUMBERS, toJson } from '../json.ts';
import { figure, shownPath, textTable } from '../table.ts';
import { defineVerb } from '../verb.ts';

export const metrics = defineVerb({
  name: 'metrics',
  summary: 'the learning curves in a metrics log or a run directory',
  usage: 'PATH [--json]',
  description: `Reads the series of a metrics log (CSV, JSONL, trainer_state.json), or of all logs in a run directory.
Lines that cannot be read are named on standard error.

JSON: {"series": [{"tag", "steps", "values", "source"}]}.
${JSON_NUMBERS}`,
  paths: { least: 1, most: 1 },
  options: {},
  async run({ paths: [path], json }, terminal) {
    const series = await readSeries(path!, terminal.signal, (sentence) => terminal.note(`twa: ${sentence}`));
    if (json) {
      terminal.print(
        toJson({
          series: series.map(({ tag, steps, values, source }) => ({ tag, steps, values, source })),
        }),
      );
    } else {
      terminal.print(describe(series));
    }
  },
});

function describe(series: readonly Series[]): string {
  return textTable(
    [
      { title: 'series' },
      { title: 'points', align: 'right' },
      { title: 'steps', align: 'right' },
      { title: 'lowest', align: 'right' },
      { title: 'highest', align: 'right' },
      { title: 'last', align: 'right' },
      { title: 'file' },
    ],
    series.map(({ tag, steps, values, source }) => {
      const finite = values.filter(Number.isFinite);
      const extreme = (pick: (a: number, b: number) => number): string =>
        finite.length === 0 ? '' : figure(finite.reduce((a, b) => pick(a, b)));
      return [
        tag,
        String(values.length),
        steps.length === 0 ? '' : `${steps[0]!}..${steps.at(-1)!}`,
        extreme(Math.min),
        extreme(Math.max),
        values.length === 0 ? '' : figure(values.at(-1)!),
        shownPath(source),
      ];
    }),
  );
}
