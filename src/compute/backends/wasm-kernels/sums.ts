/**
 * Sum and mean over axes. The wasm backend transposes until the axes are the last ones, and adds one number after
 * another to a float32; a gradient of batch normalisation sums over everything but the channels, which are last. Here
 * stretches are summed in SIMD where they lie, and the stretches' sums in double.
 */
import { tf } from '../../tf.ts';
import type { Heap } from './heap.ts';
import { heapOf } from './heap.ts';
import type { Reroute } from './kernel.ts';
import { splitAround, type Split } from './shapes.ts';

/** Numbers that are added up in float32. */
const STRETCH = 1024;

export const sum = reduction(() => 1);
export const mean = reduction(({ within }) => 1 / within);

function reduction(factor: (split: Split) => number): Reroute {
  return (original) => (call) => {
    const x = call.inputs['x']!;
    const axes = tf.util.parseAxisParam(call.attrs['axis'] as number[], x.shape);
    const chosen = x.shape.map((_, axis) => axes.includes(axis));
    const split = splitAround(x.shape, chosen);
    if (x.dtype !== 'float32' || x.size === 0 || split === undefined) return original(call);
    const kept = x.shape.filter((_, axis) => !chosen[axis]);
    const shape = call.attrs['keepDims'] === true ? x.shape.map((n, axis) => (chosen[axis]! ? 1 : n)) : kept;
    const output = call.backend.makeOutput(shape, 'float32');
    const heap = heapOf(call.backend);
    const [from, to] = [heap.address(x), heap.address(output)];
    if (split.inner === 1) sumRows(heap, from, to, split, factor(split));
    else sumColumns(heap, from, to, split, factor(split));
    return output;
  };
}

function sumRows(heap: Heap, from: number, to: number, { outer, within }: Split, factor: number): void {
  const { sumRows: loop } = heap.loops;
  if (within <= STRETCH) {
    loop(from, 4 * within, to, to + 4 * outer);
    if (factor === 1) return;
    const sums = heap.floats(to, outer);
    for (let row = 0; row < outer; row++) sums[row] = sums[row]! * factor;
    return;
  }
  const whole = Math.floor(within / STRETCH);
  const rest = within - whole * STRETCH;
  const parts = heap.scratch('result', 4 * (whole + 1));
  for (let row = 0; row < outer; row++) {
    const start = from + 4 * row * within;
    loop(start, 4 * STRETCH, parts, parts + 4 * whole);
    const count = rest === 0 ? whole : whole + 1;
    if (rest !== 0) loop(start + 4 * STRETCH * whole, 4 * rest, parts + 4 * whole, parts + 4 * count);
    let total = 0;
    for (const part of heap.floats(parts, count)) total += part;
    heap.floats(to, outer)[row] = total * factor;
  }
}

function sumColumns(heap: Heap, from: number, to: number, split: Split, factor: number): void {
  const { outer, within, inner } = split;
  const { sumColumns16, sumColumns4 } = heap.loops;
  const rowBytes = 4 * inner;
  const part = heap.scratch('result', rowBytes + 64);
  const totals = new Float64Array(inner);
  const partial = heap.floats(part, inner);
  const results = heap.floats(to, outer * inner);
  for (let block = 0; block < outer; block++) {
    totals.fill(0);
    for (let row = 0; row < within; row += STRETCH) {
      const start = from + (block * within + row) * rowBytes;
      const bytes = Math.min(STRETCH, within - row) * rowBytes;
      let column = 0;
      for (; column + 16 <= inner; column += 16) {
        sumColumns16(start + 4 * column, start + 4 * column + bytes, rowBytes, part + 4 * column);
      }
      for (; column < inner; column += 4) {
        sumColumns4(start + 4 * column, start + 4 * column + bytes, rowBytes, part + 4 * column);
      }
      for (let k = 0; k < inner; k++) totals[k] = totals[k]! + partial[k]!;
    }
    for (let k = 0; k < inner; k++) results[block * inner + k] = totals[k]! * factor;
  }
}
