/** Series as text for other programs: every point, in pieces, so that a long run needs no long string. */
import type { Series } from './types.ts';

export interface ExportedRun {
  readonly name: string;
  readonly directory: string;
  readonly series: readonly Series[];
}

/** Points per piece. */
const PIECE = 2000;

/**
 * One row per point: `run,tag,step,epoch,wall_time,value`. Epoch and time (ISO 8601, UTC) are empty where the log does
 * not say; values that are not finite are `NaN`, `Infinity` and `-Infinity`, as pandas and R read them.
 */
export function* csvPieces(runs: readonly ExportedRun[]): Generator<string> {
  yield 'run,tag,step,epoch,wall_time,value\n';
  for (const { name, series } of runs) {
    for (const { tag, steps, epochs, wallTimes, values } of series) {
      const head = `${quoted(name)},${quoted(tag)}`;
      for (let from = 0; from < values.length; from += PIECE) {
        let text = '';
        for (let i = from; i < Math.min(values.length, from + PIECE); i++) {
          const epoch = epochs[i]!;
          text += `${head},${steps[i]!},${Number.isNaN(epoch) ? '' : epoch},${timeOf(wallTimes[i])},${values[i]!}\n`;
        }
        yield text;
      }
    }
  }
}

/**
 * `{"runs": [{"name", "directory", "series": [{"tag", "source", "points": [[step, epoch, wall_time, value], ...]}]}]}`.
 * JSON has no NaN: values that are not finite are the strings "NaN", "Infinity" and "-Infinity"; what a log does not
 * say is null.
 */
export function* jsonPieces(runs: readonly ExportedRun[]): Generator<string> {
  yield '{"columns": ["step", "epoch", "wall_time", "value"], "runs": [';
  for (const [r, { name, directory, series }] of runs.entries()) {
    yield `${r === 0 ? '' : ','}\n{"name": ${JSON.stringify(name)}, "directory": ${JSON.stringify(directory)}, "series": [`;
    for (const [s, { tag, source, steps, epochs, wallTimes, values }] of series.entries()) {
      yield `${s === 0 ? '' : ','}\n{"tag": ${JSON.stringify(tag)}, "source": ${JSON.stringify(source)}, "points": [`;
      for (let from = 0; from < values.length; from += PIECE) {
        const points: string[] = [];
        for (let i = from; i < Math.min(values.length, from + PIECE); i++) {
          const epoch = epochs[i]!;
          const time = timeOf(wallTimes[i]);
          points.push(
            `[${steps[i]!},${Number.isNaN(epoch) ? 'null' : epoch},${time === '' ? 'null' : `"${time}"`},${jsonNumber(values[i]!)}]`,
          );
        }
        yield `${from === 0 ? '' : ','}${points.join(',')}`;
      }
      yield ']}';
    }
    yield ']}';
  }
  yield '\n]}\n';
}

const jsonNumber = (value: number): string => (Number.isFinite(value) ? String(value) : `"${value}"`);

/** Times that no date has (a log is data) are left out. */
function timeOf(milliseconds: number | undefined): string {
  if (milliseconds === undefined || !(Math.abs(milliseconds) <= 8.64e15)) return '';
  return new Date(milliseconds).toISOString();
}

function quoted(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
