import { axisOf, parseWallTime } from './columns.ts';
import type { AxisName } from './columns.ts';
import { PointCollector } from './points.ts';

/**
 * Turns rows of named values into points. The x of a row is its step; without one its epoch; without either the
 * step of the row before (sparse logs), and in a log that has no such column at all the row's number from 0.
 */
export class RowCollector extends PointCollector {
  readonly #axes = new Map<string, AxisName | undefined>();
  #row = 0;
  #lastStep: number | undefined;

  /** Text that is no axis is no series: it is left out. */
  addRow(fields: readonly (readonly [name: string, value: number | string])[]): void {
    const best: Partial<Record<AxisName['axis'], { rank: number; value: number | string }>> = {};
    for (const [name, value] of fields) {
      const axis = this.#axis(name);
      if (axis === undefined) continue;
      // A split is a word and a step is a number; anything else in such a column says nothing.
      if (axis.axis !== 'time' && (typeof value === 'string') !== (axis.axis === 'split')) continue;
      const known = best[axis.axis];
      if (known === undefined || axis.rank < known.rank) best[axis.axis] = { rank: axis.rank, value };
    }
    const epoch = finite(best.epoch?.value) ?? NaN;
    const step =
      finite(best.step?.value) ?? (Number.isNaN(epoch) ? undefined : epoch) ?? this.#lastStep ?? this.#row;
    if (best.step !== undefined || best.epoch !== undefined) this.#lastStep = step;
    this.#row += 1;
    const wallTime = best.time === undefined ? NaN : parseWallTime(best.time.value);
    const prefix = typeof best.split?.value === 'string' ? `${best.split.value}/` : '';
    for (const [name, value] of fields) {
      if (typeof value === 'number' && this.#axis(name) === undefined) {
        this.add(prefix + name, step, value, epoch, wallTime);
      }
    }
  }

  #axis(name: string): AxisName | undefined {
    if (this.#axes.has(name)) return this.#axes.get(name);
    const axis = axisOf(name);
    this.#axes.set(name, axis);
    return axis;
  }
}

function finite(value: number | string | undefined): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}
