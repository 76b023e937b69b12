/** tanh in SIMD; the wasm backend calls the C library for one element after another. */
import { heapOf } from './heap.ts';
import type { Reroute } from './kernel.ts';

export const tanh: Reroute = (original) => (call) => {
  const x = call.inputs['x']!;
  if (x.dtype !== 'float32' || x.size === 0) return original(call);
  const output = call.backend.makeOutput(x.shape, 'float32');
  const heap = heapOf(call.backend);
  const [from, to] = [heap.address(x), heap.address(output)];
  const whole = 4 * (x.size - (x.size % 4));
  if (whole > 0) heap.loops.tanh(from, to, to + whole);
  // The rest by way of room that has something behind it.
  const rest = x.size % 4;
  if (rest > 0) {
    const room = heap.scratch('dump', 16);
    heap.floats(room, 4).set(heap.floats(from + whole, rest));
    heap.loops.tanh(room, room, room + 16);
    heap.floats(to + whole, rest).set(heap.floats(room, rest));
  }
  return output;
};
