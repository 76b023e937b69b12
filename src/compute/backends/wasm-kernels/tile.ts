/**
 * Tile. The wasm backend copies element by element through index arithmetic. Gradients of sums and of batch
 * normalisation repeat one axis, or several of length one side by side; that is copying whole stretches.
 */
import { heapOf } from './heap.ts';
import type { Reroute } from './kernel.ts';
import { sizeOf } from './shapes.ts';

export const tile: Reroute = (original) => (call) => {
  const x = call.inputs['x']!;
  const reps = call.attrs['reps'] as readonly number[];
  const shape = x.shape.map((length, axis) => length * reps[axis]!);
  const first = reps.findIndex((times) => times !== 1);
  const last = reps.findLastIndex((times) => times !== 1);
  const repeated = x.shape.slice(first, last + 1);
  const oneStretch = first === last || repeated.every((length) => length === 1);
  if (x.dtype !== 'float32' || first < 0 || !oneStretch || sizeOf(shape) === 0) return original(call);

  const outer = sizeOf(x.shape.slice(0, first));
  const times = sizeOf(reps.slice(first, last + 1));
  const inner = sizeOf(x.shape.slice(first));
  const output = call.backend.makeOutput(shape, 'float32');
  const heap = heapOf(call.backend);
  const { loops } = heap;
  const [from, to] = [heap.address(x), heap.address(output)];
  const bytes = 4 * inner;
  if (inner === 1) {
    loops.fillRows(from, to, 4 * times, to + 4 * times * outer);
  } else if (times <= outer) {
    for (let k = 0; k < times; k++) {
      const start = to + k * bytes;
      loops.copyRows(from, bytes, start, times * bytes, start + outer * times * bytes, bytes);
    }
  } else {
    for (let row = 0; row < outer; row++) {
      const start = to + row * times * bytes;
      loops.copyRows(from + row * bytes, bytes, start, bytes, start + bytes, bytes);
      // Twice as many each time.
      for (let done = 1; done < times; done *= 2) {
        const more = Math.min(done, times - done) * bytes;
        loops.copyRows(start, 0, start + done * bytes, more, start + done * bytes + more, more);
      }
    }
  }
  return output;
};
